import { assert } from '../common/assert.ts';
import { crc32c } from '../common/crc32c.ts';
import { MAX_IO_BYTES, MAX_TRIM_BYTES } from '../common/limits.ts';
import { FLAG, HEADER_BYTES, OPCODE } from '../protocol/constants.ts';
import { checkHeader, decodeFrame, encodeFrame, type Frame } from '../protocol/frame.ts';
import type { Page } from './page.ts';

/**
 * One record of the file `journal` (journal-content.ts): changes that a copy must not have by halves,
 * written down before the first of them is begun. Little-endian.
 *
 *   offset  size  field
 *        0     8  magic "KEELREDO"
 *        8     4  format version
 *       12     4  bodyBytes
 *       16     8  number      counts records; one that was given up and the next have the same
 *       24     8  session     of the copy, in which the record was written
 *       32    36  data id     of the copy, ASCII, zeros behind it
 *       68     4  crc         CRC-32C of bytes 0–67 and the body
 *       72     …  zero        reserved
 *      512     …  body        the writes and trims as they were received, side by side (frame.ts)
 */
export interface RedoRecord {
  readonly number: number;
  readonly session: number;
  /** In the order in which they are carried out. */
  readonly changes: readonly Frame[];
}

/** Where a record begins: no two of them share what a disk writes at once. */
export const RECORD_ALIGNMENT = 4096;
/** A longer one is neither written nor believed (I11): twice what a COMMIT may bring. */
export const MAX_RECORD_BODY_BYTES = 128 * 1024 * 1024;

const RECORD_VERSION = 1;
const MAGIC = Buffer.from('KEELREDO', 'latin1');
const OFFSET = {
  ...{ magic: 0, version: 8, bodyBytes: 12, number: 16, session: 24, dataId: 32, crc: 68 },
  body: 512,
} as const;
const DATA_ID_BYTES = OFFSET.crc - OFFSET.dataId;

/** What a record of these changes takes in the file. */
export function recordBytes(changes: readonly Frame[]): number {
  return alignedBytes(changes.reduce((sum, { payload }) => sum + HEADER_BYTES + payload.length, 0));
}

/** The record as it lies in the file from `offset` on. */
export function encodeRecord(record: RedoRecord, dataId: string, offset: number): Page[] {
  const bodies = record.changes.map((change) => encodeFrame(change, change.payload));
  const bodyBytes = bodies.reduce((sum, { length }) => sum + length, 0);
  assert(dataId.length <= DATA_ID_BYTES, 'a data id fits a record', { dataId });
  assert(bodyBytes <= MAX_RECORD_BODY_BYTES, 'a record has a bounded length', { bodyBytes });
  const head = Buffer.alloc(OFFSET.body);
  MAGIC.copy(head, OFFSET.magic);
  head.writeUInt32LE(RECORD_VERSION, OFFSET.version);
  head.writeUInt32LE(bodyBytes, OFFSET.bodyBytes);
  head.writeBigUInt64LE(BigInt(record.number), OFFSET.number);
  head.writeBigUInt64LE(BigInt(record.session), OFFSET.session);
  head.write(dataId, OFFSET.dataId, 'latin1');
  const crc = bodies.reduce((seed, body) => crc32c(body, seed), checksum(head));
  head.writeUInt32LE(crc, OFFSET.crc);
  const pages: Page[] = [];
  for (const bytes of [head, ...bodies]) {
    pages.push({ offset, bytes });
    offset += bytes.length;
  }
  return pages;
}

/** Written over the beginning of a record, it is none any more. */
export function makeErasure(offset: number): Page {
  return { offset, bytes: Buffer.alloc(OFFSET.body) };
}

export interface FoundRecord extends RedoRecord {
  /** What it takes in the file. */
  readonly bytes: number;
}

/**
 * The record at `at` of a file, or undefined when there is none: it was never written, or torn while
 * it was, or is that of another copy. The changes are views.
 */
export function decodeRecord(
  file: Buffer,
  at: number,
  copy: { readonly dataId: string; readonly sizeBytes: number },
): FoundRecord | undefined {
  const head = file.subarray(at, at + OFFSET.body);
  if (head.length < OFFSET.body) return undefined;
  if (MAGIC.compare(head, OFFSET.magic, MAGIC.length) !== 0) return undefined;
  const bodyBytes = head.readUInt32LE(OFFSET.bodyBytes);
  const bodyStart = at + OFFSET.body;
  const body = file.subarray(bodyStart, bodyStart + bodyBytes);
  if (body.length < bodyBytes || bodyBytes > MAX_RECORD_BODY_BYTES) return undefined;
  if (head.readUInt32LE(OFFSET.crc) !== crc32c(body, checksum(head))) return undefined;
  const owner = head.toString('latin1', OFFSET.dataId, OFFSET.crc).replace(/\0+$/, '');
  if (owner !== copy.dataId || head.readUInt32LE(OFFSET.version) !== RECORD_VERSION) {
    return undefined;
  }
  const changes = decodeChanges(body, copy.sizeBytes);
  if (changes === undefined) return undefined;
  const number = Number(head.readBigUInt64LE(OFFSET.number));
  const session = Number(head.readBigUInt64LE(OFFSET.session));
  return { number, session, changes, bytes: alignedBytes(bodyBytes) };
}

/** Undefined when there is one among them that this copy would not have written down. */
function decodeChanges(body: Buffer, sizeBytes: number): Frame[] | undefined {
  const changes: Frame[] = [];
  for (let at = 0; at < body.length; ) {
    if (body.length - at < HEADER_BYTES) return undefined;
    const checked = checkHeader(body, at);
    if (!checked.ok || body.length - at - HEADER_BYTES < checked.payloadBytes) return undefined;
    const frame = decodeFrame(body, at, checked.payloadBytes);
    if (frame === undefined || !isChange(frame, sizeBytes)) return undefined;
    changes.push(frame);
    at += HEADER_BYTES + checked.payloadBytes;
  }
  return changes;
}

function isChange({ opcode, flags, offset, length, payload }: Frame, sizeBytes: number): boolean {
  if (length === 0 || offset + length > sizeBytes) return false;
  if (opcode === OPCODE.TRIM) return length <= MAX_TRIM_BYTES;
  const isRaw = (flags & FLAG.LZ4) === 0;
  return opcode === OPCODE.WRITE && length <= MAX_IO_BYTES && (!isRaw || payload.length === length);
}

function alignedBytes(bodyBytes: number): number {
  return Math.ceil((OFFSET.body + bodyBytes) / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

function checksum(head: Buffer): number {
  return crc32c(head.subarray(0, OFFSET.crc));
}
