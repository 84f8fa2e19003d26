import { MAX_ATTRIBUTE_BYTES, MAX_VOLUME_BYTES } from '../../../replica/common/limits.ts';
import {
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  OPCODE,
  type Opcode,
} from '../../../replica/protocol/constants.ts';
import { encodeFrame, type Frame } from '../../../replica/protocol/frame.ts';
import { FrameDecoder } from '../../../replica/protocol/frame-decoder.ts';
import type { SeededRandom } from '../../support/random.ts';
import { waysToCut } from '../chunks.ts';
import { edgeNumber, mutate } from '../mutate.ts';
import { ReplicaPlay } from '../replica-play.ts';
import { expectThat, type FuzzTarget } from '../target.ts';

/** Around the longest attribute, and around what a slot of metadata takes. */
const ATTRIBUTE_BYTES = [
  ...[MAX_ATTRIBUTE_BYTES - 1, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_BYTES + 1],
  ...[49_152, 65_536],
];
const PAYLOAD_BYTES_OFFSET = 40;
/** Two buffers of the longest frame, and what the texts of the oracle leave behind. */
const MAX_DECODER_BYTES = 4 * MAX_PAYLOAD_BYTES;

const OPCODES = Object.values(OPCODE);
const REQUESTS = OPCODES.filter((opcode) => opcode >= OPCODE.READ && opcode < OPCODE.READ_REPLY);

/** Input: the stream of frames that a controller sends. */
export const replication: FuzzTarget = {
  name: 'replication',

  generate(random: SeededRandom): Buffer {
    return anyStream(random, MAX_VOLUME_BYTES);
  },

  check(input: Buffer): void {
    const before = process.memoryUsage().arrayBuffers;
    const [whole, ...others] = waysToCut(input).map(decode);
    const took = process.memoryUsage().arrayBuffers - before;
    expectThat(took <= MAX_DECODER_BYTES + 8 * input.length, 'a stream takes much memory', took);
    for (const other of others) {
      expectThat(other.shown === whole?.shown, 'the chunking changes what is decoded', {
        whole: whole?.shown,
        other: other.shown,
      });
    }
    for (const frame of whole?.frames ?? []) expectSameEncoding(frame);
    const play = new ReplicaPlay();
    for (const frame of whole?.frames ?? []) play.receive(frame);
    play.end();
  },
};

/** @param maxSizeBytes half the largest size that a RESIZE asks for, where its checksum is right */
export function anyStream(random: SeededRandom, maxSizeBytes: number): Buffer {
  const frames = Array.from({ length: 1 + random.below(10) }, () => anyFrame(random, maxSizeBytes));
  const stream = Buffer.concat(frames);
  return random.chance(0.7) ? stream : mutate(stream, random);
}

/** Mostly a request, with ranges at the edges of blocks, regions and the volume. */
function anyFrame(random: SeededRandom, maxSizeBytes: number): Buffer {
  const opcode = pickOpcode(random);
  const length = random.chance(0.8) ? 512 * random.below(6) : edgeNumber(random, 4);
  const payload = anyPayload(opcode, length, random);
  const fields = {
    opcode,
    flags: random.chance(0.7) ? 0 : random.below(64),
    status: random.chance(0.9) ? 0 : random.below(65_536),
    seq: random.chance(0.9) ? random.below(64) : edgeNumber(random, 4) * 2 ** random.below(21),
    stableSeq: random.below(64),
    offset: opcode === OPCODE.RESIZE ? anyOffset(random) % (2 * maxSizeBytes) : anyOffset(random),
    length,
    generation: random.chance(0.8) ? 1 + random.below(4) : edgeNumber(random, 4),
  };
  const frame = encodeFrame(fields, payload);
  // Believed before there is a checksum to look at.
  if (random.chance(0.03)) frame.writeUInt32LE(edgeNumber(random, 4), PAYLOAD_BYTES_OFFSET);
  return frame;
}

function anyPayload(opcode: Opcode, length: number, random: SeededRandom): Buffer {
  if (opcode === OPCODE.STORE && random.chance(0.2)) {
    return Buffer.alloc(random.pick(ATTRIBUTE_BYTES), 1);
  }
  const hasPayload = opcode === OPCODE.WRITE || opcode === OPCODE.STORE || random.chance(0.05);
  if (!hasPayload) return Buffer.alloc(0);
  return random.bytes(random.chance(0.9) ? Math.min(length, 2560) : random.below(300));
}

function pickOpcode(random: SeededRandom): Opcode {
  if (random.chance(0.05)) return random.pick(OPCODES);
  if (random.chance(0.05)) return OPCODE.HELLO;
  return random.chance(0.4) ? OPCODE.WRITE : random.pick(REQUESTS);
}

function anyOffset(random: SeededRandom): number {
  const unit = random.pick([1, 512, 4096, 65_536, 4 * 1024 ** 2] as const);
  if (random.chance(0.9)) return unit * random.below(20);
  return Math.min(Number.MAX_SAFE_INTEGER, edgeNumber(random, 4) * unit * 2 ** random.below(10));
}

interface Decoded {
  readonly frames: readonly Frame[];
  /** The frames and why it ended, as text. */
  readonly shown: string;
}

function decode(chunks: readonly Buffer[]): Decoded {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  let fault: string | undefined;
  for (const chunk of chunks) {
    const some: Frame[] = [];
    fault = decoder.push(chunk, some);
    // Views that are valid until the next push.
    frames.push(...some.map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) })));
    if (fault !== undefined) break;
  }
  const texts = frames.map((frame) =>
    JSON.stringify({ ...frame, payload: frame.payload.toString('hex') }),
  );
  return { frames, shown: `${texts.join('\n')}\n${fault ?? ''}` };
}

function expectSameEncoding(frame: Frame): void {
  const bytes = encodeFrame(frame, frame.payload);
  expectThat(bytes.length === HEADER_BYTES + frame.payload.length, 'a frame has its length');
  const [again] = decode([bytes]).frames;
  expectThat(
    again !== undefined && encodeFrame(again, again.payload).equals(bytes),
    'a frame that is encoded and decoded is another',
    frame,
  );
}
