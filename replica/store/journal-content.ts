import { crc32c } from '../common/crc32c.ts';
import type { ByteRange } from '../common/ranges.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Metadata } from './metadata-record.ts';
import type { Page } from './page.ts';
import { decodeRecord, type FoundRecord } from './redo-record.ts';

/**
 * The file `journal` (ADR 0020): two marks, then records one behind the other; the numbers of those
 * that belong together count up by one. Little-endian.
 *
 *   offset  size  field
 *        0     8  carried out  number of the last record whose changes are in the data file; in the
 *                              page cache at once, on the disk at any time or never
 *        8     4  crc          CRC-32C of bytes 0–7
 *      512     8  durable      number of the last record whose changes are on stable storage, as
 *                              far as somebody had to know; durable itself before it is relied on
 *      520     4  crc          CRC-32C of bytes 512–519
 *     4096     …  records      redo-record.ts
 *
 * A mark of zeros, or a damaged one, says 0. Each lies in a sector of its own, which a disk writes
 * at once.
 */
export const RECORDS_OFFSET = 4096;
/**
 * What the file takes when it is made: each time it is full, all data must become durable, and here that
 * is every 31 writes of 128 KiB. A record that does not fit at all makes it longer.
 */
export const JOURNAL_BYTES = 4 * 1024 * 1024;

const MARK_OFFSET = { carriedOut: 0, durable: 512 } as const;
const MARK_NUMBER_BYTES = 8;
const MARK_BYTES = MARK_NUMBER_BYTES + 4;

export function makeMark(mark: keyof typeof MARK_OFFSET, number: number): Page {
  const bytes = Buffer.alloc(MARK_BYTES);
  bytes.writeBigUInt64LE(BigInt(number), 0);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, MARK_NUMBER_BYTES)), MARK_NUMBER_BYTES);
  return { offset: MARK_OFFSET[mark], bytes };
}

/** What a process finds in the journal when it starts. */
export interface JournalContent {
  /** What must be carried out again before the copy is served, in this order. */
  readonly redo: readonly Frame[];
  /** Records that would be carried out again after a power loss, those of `redo` among them. */
  readonly records: readonly WrittenRecord[];
  /** The last of all that count. */
  readonly lastNumber: number;
  /** Where they end, and how long the file may become without taking more space. */
  readonly end: number;
  readonly room: number;
}

export interface WrittenRecord {
  readonly number: number;
  readonly ranges: readonly ByteRange[];
  /** Something newer may have changed what it covers. */
  readonly isOverlapped: boolean;
}

export function rangesOf(changes: readonly Frame[]): ByteRange[] {
  return changes.map(({ offset, length }) => ({ start: offset, end: offset + length }));
}

/**
 * A record counts when it was carried out before the last hello, or was written since. A process
 * that was killed left what it had carried out in the page cache. After a power loss, or a flush
 * that failed, only what is known to be durable is: the others are carried out again, over newer
 * changes too, which no flush had covered then, and which such a copy may lack (I13).
 */
export function readJournal(file: Buffer, metadata: Metadata, bootId: string): JournalContent {
  const marks = {
    carriedOut: readMark(file, MARK_OFFSET.carriedOut),
    durable: readMark(file, MARK_OFFSET.durable),
  };
  const found = findRecords(file, metadata);
  const end = found.reduce((at, { bytes }) => at + bytes, RECORDS_OFFSET);
  const hasLost = metadata.mayLackWrites || metadata.bootId !== bootId;
  const doneUpTo = hasLost ? marks.durable : Math.max(marks.carriedOut, marks.durable);
  const open = found.filter(({ number }) => number > marks.durable);
  return {
    redo: found.filter(({ number }) => number > doneUpTo).flatMap(({ changes }) => changes),
    records: open.map(({ number, changes }) => ({
      ...{ number, ranges: rangesOf(changes) },
      // What came behind a record that an earlier process carried out is not known any more.
      isOverlapped: number <= doneUpTo,
    })),
    // No number is used twice for records that count, whatever became of the file.
    lastNumber: Math.max(
      metadata.journalKept,
      marks.carriedOut,
      marks.durable,
      found.at(-1)?.number ?? 0,
    ),
    end,
    room: Math.min(file.length, JOURNAL_BYTES),
  };
}

function findRecords(file: Buffer, metadata: Metadata): FoundRecord[] {
  const found: FoundRecord[] = [];
  for (let at = RECORDS_OFFSET; at < file.length; ) {
    const record = decodeRecord(file, at, metadata);
    if (record === undefined) break;
    const last = found.at(-1);
    // What lies behind the last record is left of an earlier round through the file.
    if (last !== undefined && record.number !== last.number + 1) break;
    const counts = record.number <= metadata.journalKept || record.session === metadata.session;
    if (!counts) break;
    found.push(record);
    at += record.bytes;
  }
  return found;
}

function readMark(file: Buffer, offset: number): number {
  if (file.length < offset + MARK_BYTES) return 0;
  const bytes = file.subarray(offset, offset + MARK_BYTES);
  const crc = crc32c(bytes.subarray(0, MARK_NUMBER_BYTES));
  if (bytes.readUInt32LE(MARK_NUMBER_BYTES) !== crc) return 0;
  return Number(bytes.readBigUInt64LE(0));
}
