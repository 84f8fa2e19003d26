import { FrameBatch } from '../../../../controller/io/frame-batch.ts';
import type { SendEffect } from '../../../../controller/volume/step.ts';
import { type Lz4, loadLz4 } from '../../../../replica/common/lz4.ts';
import { FLAG, OPCODE } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import { FrameDecoder } from '../../../../replica/protocol/frame-decoder.ts';
import { seededRandom } from '../../replica/support/random.ts';

let lz4: Lz4;

beforeAll(async () => {
  lz4 = await loadLz4();
});

function makeSend(copies: number, seq: number, fields: Partial<SendEffect> = {}): SendEffect {
  const length = fields.data?.length ?? 0;
  return {
    ...{ kind: 'send', copies, opcode: OPCODE.WRITE, flags: 0, seq, stableSeq: 3, offset: 8192 },
    generation: 5,
    ...{ length, data: undefined, isEncoded: false, ...fields },
  };
}

/** What each copy gets, decoded, and in how many buffers. */
function take(batch: FrameBatch) {
  const taken = new Map<number, { frames: Frame[]; buffers: number }>();
  batch.take((copy, buffers) => {
    const frames: Frame[] = [];
    const decoder = new FrameDecoder();
    for (const buffer of buffers) expect(decoder.push(buffer, frames)).toBeUndefined();
    taken.set(copy, { frames, buffers: buffers.length });
  });
  return taken;
}

const seqsOf = (frames: readonly Frame[] = []) => frames.map(({ seq }) => seq);

function bytesOf({ flags, length, payload }: Frame): Buffer {
  if ((flags & FLAG.LZ4) === 0) return payload;
  const data = Buffer.alloc(length);
  expect(lz4.decompress(payload, data)).toBe(true);
  return data;
}

function makeNoise(length: number, seed = 1): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

describe('frame batch', () => {
  test('gives each copy its own frames, in order', () => {
    const batch = new FrameBatch(lz4);
    batch.append(makeSend(0b011, 1));
    batch.append(makeSend(0b100, 2));
    batch.append(makeSend(0b111, 3));
    batch.append(makeSend(0b001, 4));
    const taken = take(batch);
    const seqs = [0, 1, 2].map((copy) => seqsOf(taken.get(copy)?.frames));
    expect(seqs).toEqual([
      [1, 3, 4],
      [1, 3],
      [2, 3],
    ]);
    // Frames side by side leave as one buffer.
    expect([0, 1, 2].map((copy) => taken.get(copy)?.buffers)).toEqual([2, 2, 1]);
    expect(take(batch).size).toBe(0);
  });

  test('carries every field, and reaches the twelfth copy', () => {
    const batch = new FrameBatch(lz4);
    batch.append(makeSend(1 << 11, 2 ** 40, { flags: FLAG.FUA, data: makeNoise(4096) }));
    const taken = take(batch);
    expect([...taken.keys()]).toEqual([11]);
    expect(taken.get(11)?.frames).toMatchObject([
      { ...{ opcode: OPCODE.WRITE, flags: FLAG.FUA, status: 0, seq: 2 ** 40 } },
    ]);
    expect(taken.get(11)?.frames).toMatchObject([
      { stableSeq: 3, offset: 8192, length: 4096, generation: 5 },
    ]);
  });

  test('compresses what gets smaller and sends the rest as it is', () => {
    const batch = new FrameBatch(lz4);
    const noise = makeNoise(4096);
    const text = Buffer.alloc(4096, 'keelson');
    batch.append(makeSend(1, 1, { data: noise }));
    batch.append(makeSend(1, 2, { data: text, flags: FLAG.FUA }));
    const [raw, packed] = take(batch).get(0)!.frames as [Frame, Frame];
    expect([raw.flags, raw.payload.equals(noise)]).toEqual([0, true]);
    expect(packed.flags).toBe(FLAG.FUA | FLAG.LZ4);
    expect(packed.payload.length).toBeLessThan(200);
    expect(bytesOf(packed).equals(text)).toBe(true);
  });

  test('passes on what is encoded already without a second thought', () => {
    const batch = new FrameBatch(lz4);
    const payload = Buffer.alloc(100, 'x');
    const fields = { data: payload, isEncoded: true, flags: FLAG.LZ4, length: 65_536 };
    batch.append(makeSend(1, 1, fields));
    const [frame] = take(batch).get(0)!.frames;
    expect(frame).toMatchObject({ flags: FLAG.LZ4, length: 65_536 });
    expect(frame?.payload.equals(payload)).toBe(true);
  });

  test('keeps the frames it gave out whole, whatever is appended afterwards', () => {
    const batch = new FrameBatch(lz4);
    const seed = 7;
    const all = Array.from({ length: 40 }, (_, index) => makeNoise(100_000, seed + index));
    const given: Buffer[][] = [];
    for (const [index, data] of all.entries()) {
      batch.append(makeSend(1, index, { data }));
      if (index % 3 === 0) batch.take((_copy, buffers) => given.push(buffers));
    }
    batch.take((_copy, buffers) => given.push(buffers));
    const frames: Frame[] = [];
    const decoder = new FrameDecoder();
    for (const buffer of given.flat()) expect(decoder.push(buffer, frames)).toBeUndefined();
    expect(seqsOf(frames)).toEqual(all.map((_, index) => index));
    for (const [index, frame] of frames.entries()) {
      expect([seed, index, bytesOf(frame).equals(all[index]!)]).toEqual([seed, index, true]);
    }
  });

  test('takes a frame larger than its arena', () => {
    const batch = new FrameBatch(lz4);
    const data = Buffer.alloc(4 * 1024 * 1024, 'ab');
    batch.append(makeSend(0b11, 1, { data, isEncoded: true }));
    batch.append(makeSend(0b01, 2));
    const taken = take(batch);
    expect(seqsOf(taken.get(0)?.frames)).toEqual([1, 2]);
    expect(taken.get(1)?.frames[0]?.payload.equals(data)).toBe(true);
  });
});
