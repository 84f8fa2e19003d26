import { assert } from '../common/assert.ts';
import { crc32c } from '../common/crc32c.ts';
import {
  FRAME_MAGIC,
  HEADER_BYTES,
  MAX_HELLO_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_WELCOME_BYTES,
  OPCODE,
  type Opcode,
} from './constants.ts';

/**
 * Replication frame: a 48-byte header, then `payloadBytes` of payload. Little-endian.
 *
 *   offset  size  field
 *        0     4  magic "KEEL"
 *        4     4  crc          CRC-32C of everything behind it: bytes 8–47 and the payload as sent
 *        8     1  opcode
 *        9     1  flags        bit 0 LZ4, 1 FUA, 2 ZERO, 3 ASSIGN, 4 ATOMIC, 5 STAGED
 *       10     2  status       0 in requests
 *       12     4  length       bytes of the volume that are meant (payload once decompressed);
 *                              in HEARTBEAT milliseconds of lease on reads that are asked for
 *       16     8  seq          number of the request, per controller instance; repeated in its reply
 *       24     8  stableSeq    every write up to here was answered by all in-sync copies
 *       32     8  offset       bytes from the start of the volume; in RESIZE its new size, in COMMIT
 *                              the seq of the first frame that it carries out
 *       40     4  payloadBytes bytes that follow on the wire
 *       44     4  generation   what stamps the regions (stamps.ts); in READ_REPLY the newest stamp
 *
 * One frame for all copies: a write is encoded once and the same bytes go to each of them. The
 * checksum stands in front so that what it covers is one run of bytes.
 */
export interface Frame {
  readonly opcode: Opcode;
  readonly flags: number;
  readonly status: number;
  readonly seq: number;
  readonly stableSeq: number;
  readonly offset: number;
  readonly length: number;
  readonly generation: number;
  /** As sent. After decoding a view on the receive buffer: copy it to keep it past the turn. */
  readonly payload: Buffer;
}

export const NO_PAYLOAD: Buffer = Buffer.alloc(0);

const OFFSET = {
  magic: 0,
  crc: 4,
  opcode: 8,
  flags: 9,
  status: 10,
  length: 12,
  seq: 16,
  stableSeq: 24,
  offset: 32,
  payloadBytes: 40,
  generation: 44,
} as const;

const CRC_START = OFFSET.opcode;

const TWO_TO_32 = 2 ** 32;

/** Header fields of a request or reply; everything but the opcode defaults to 0. */
export interface FrameFields {
  readonly opcode: Opcode;
  readonly flags?: number;
  readonly status?: number;
  readonly seq?: number;
  readonly stableSeq?: number;
  readonly offset?: number;
  readonly length?: number;
  readonly generation?: number;
}

/**
 * Writes the header of a frame at `at` in `target`; the payload's `payloadBytes` bytes must already
 * stand right behind it, so that the checksum covers them. `extraFlags` are added to those of
 * `fields`: whether the payload is compressed is known only once it was.
 */
export function encodeFrameInPlace(
  target: Buffer,
  at: number,
  fields: FrameFields,
  payloadBytes: number,
  extraFlags = 0,
): void {
  target.writeUInt32BE(FRAME_MAGIC, at + OFFSET.magic);
  target[at + OFFSET.opcode] = fields.opcode;
  target[at + OFFSET.flags] = (fields.flags ?? 0) | extraFlags;
  target.writeUInt16LE(fields.status ?? 0, at + OFFSET.status);
  writeUInt64(target, at + OFFSET.seq, fields.seq ?? 0);
  writeUInt64(target, at + OFFSET.stableSeq, fields.stableSeq ?? 0);
  writeUInt64(target, at + OFFSET.offset, fields.offset ?? 0);
  target.writeUInt32LE(fields.length ?? 0, at + OFFSET.length);
  target.writeUInt32LE(payloadBytes, at + OFFSET.payloadBytes);
  target.writeUInt32LE(fields.generation ?? 0, at + OFFSET.generation);
  target.writeUInt32LE(checksum(target, at, payloadBytes), at + OFFSET.crc);
}

/** One whole frame in a buffer of its own. For rare messages and tests; hot paths encode in place. */
export function encodeFrame(fields: FrameFields, payload: Buffer = NO_PAYLOAD): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  payload.copy(frame, HEADER_BYTES);
  encodeFrameInPlace(frame, 0, fields, payload.length);
  return frame;
}

/** Why a header cannot be one of ours, or the number of payload bytes that follow it. */
export function checkHeader(
  bytes: Buffer,
  at: number,
): { ok: true; payloadBytes: number } | { ok: false; reason: string } {
  assert(bytes.length >= at + HEADER_BYTES, 'a whole header is there');
  if (bytes.readUInt32BE(at + OFFSET.magic) !== FRAME_MAGIC)
    return { ok: false, reason: 'bad magic' };
  const opcode = bytes[at + OFFSET.opcode] as Opcode;
  if (!KNOWN_OPCODES.has(opcode)) return { ok: false, reason: `unknown opcode ${opcode}` };
  for (const field of [OFFSET.seq, OFFSET.stableSeq, OFFSET.offset]) {
    // 2^21 × 2^32 = 2^53: anything above is not a safe integer.
    if (bytes.readUInt32LE(at + field + 4) >= 2 ** 21)
      return { ok: false, reason: 'number above 2^53' };
  }
  const payloadBytes = bytes.readUInt32LE(at + OFFSET.payloadBytes);
  const limit = limitOf(opcode);
  if (payloadBytes > limit)
    return { ok: false, reason: `payload of ${payloadBytes} bytes, limit ${limit}` };
  return { ok: true, payloadBytes };
}

function limitOf(opcode: Opcode): number {
  if (opcode === OPCODE.WELCOME) return MAX_WELCOME_BYTES;
  return opcode < OPCODE.READ ? MAX_HELLO_BYTES : MAX_PAYLOAD_BYTES;
}

/**
 * Decodes the frame at `at`, whose header passed `checkHeader` and whose payload is there.
 * Returns undefined when the checksum does not hold. The payload is a view, not a copy.
 */
export function decodeFrame(bytes: Buffer, at: number, payloadBytes: number): Frame | undefined {
  if (bytes.readUInt32LE(at + OFFSET.crc) !== checksum(bytes, at, payloadBytes)) return undefined;
  const payloadStart = at + HEADER_BYTES;
  return {
    opcode: bytes[at + OFFSET.opcode] as Opcode,
    flags: bytes[at + OFFSET.flags] as number,
    status: bytes.readUInt16LE(at + OFFSET.status),
    seq: readUInt64(bytes, at + OFFSET.seq),
    stableSeq: readUInt64(bytes, at + OFFSET.stableSeq),
    offset: readUInt64(bytes, at + OFFSET.offset),
    length: bytes.readUInt32LE(at + OFFSET.length),
    generation: bytes.readUInt32LE(at + OFFSET.generation),
    payload:
      payloadBytes === 0 ? NO_PAYLOAD : bytes.subarray(payloadStart, payloadStart + payloadBytes),
  };
}

function checksum(bytes: Buffer, at: number, payloadBytes: number): number {
  return crc32c(bytes.subarray(at + CRC_START, at + HEADER_BYTES + payloadBytes));
}

function writeUInt64(target: Buffer, at: number, value: number): void {
  target.writeUInt32LE(value % TWO_TO_32, at);
  target.writeUInt32LE(Math.floor(value / TWO_TO_32), at + 4);
}

function readUInt64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * TWO_TO_32 + bytes.readUInt32LE(at);
}

const KNOWN_OPCODES: ReadonlySet<number> = new Set(Object.values(OPCODE));
