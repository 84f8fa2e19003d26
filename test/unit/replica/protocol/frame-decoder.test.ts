import { OPCODE } from '../../../../replica/protocol/constants.ts';
import { encodeFrame, type Frame } from '../../../../replica/protocol/frame.ts';
import { FrameDecoder } from '../../../../replica/protocol/frame-decoder.ts';
import { seededRandom } from '../support/random.ts';

const STREAM = Buffer.concat([
  encodeFrame({ opcode: OPCODE.WRITE, seq: 1, length: 300 }, Buffer.alloc(300, 1)),
  encodeFrame({ opcode: OPCODE.HEARTBEAT, seq: 2 }),
  encodeFrame({ opcode: OPCODE.FLUSH, seq: 3 }),
  encodeFrame({ opcode: OPCODE.WRITE, seq: 4, length: 1 }, Buffer.alloc(1, 2)),
]);

function decodeIn(chunks: Iterable<Buffer>): { frames: Frame[]; reason: string | undefined } {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    const views: Frame[] = [];
    const reason = decoder.push(chunk, views);
    frames.push(...views.map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) })));
    if (reason !== undefined) return { frames, reason };
  }
  return { frames, reason: undefined };
}

function* cut(bytes: Buffer, nextLength: () => number): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const length = nextLength();
    yield Buffer.from(bytes.subarray(at, at + length));
    at += length;
  }
}

const WHOLE = decodeIn([STREAM]);

test('frame decoder, gives all frames, from one chunk', () => {
  expect(WHOLE.reason).toBeUndefined();
  expect(WHOLE.frames.map((frame) => frame.seq)).toEqual([1, 2, 3, 4]);
});

test('frame decoder, gives the same frames, byte by byte', () => {
  expect(decodeIn(cut(STREAM, () => 1))).toEqual(WHOLE);
});

test('frame decoder, gives the same frames, however the stream is cut', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const decoded = decodeIn(cut(STREAM, () => 1 + Math.floor(random() * 120)));
    expect({ seed, ...decoded }).toEqual({ seed, ...WHOLE });
  }
});

test('frame decoder, never crashes and never invents a frame, on random damage', () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = seededRandom(seed);
    const damaged = Buffer.from(STREAM);
    const at = Math.floor(random() * damaged.length);
    damaged[at] = damaged[at]! ^ (1 << Math.floor(random() * 8));
    const { frames } = decodeIn(cut(damaged, () => 1 + Math.floor(random() * 200)));
    const intact = WHOLE.frames.slice(0, frames.length);
    expect({ seed, frames }).toEqual({ seed, frames: intact });
    expect({ seed, isShort: frames.length < 4 }).toEqual({ seed, isShort: true });
  }
});
