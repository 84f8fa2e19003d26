import { closeSync, fdatasync, fstatSync, fsyncSync, ftruncateSync, openSync } from 'node:fs';
import { trimSync } from 'fs-native-extensions';
import { assert } from '../common/assert.ts';
import { isDiskFull, KeelsonError, systemCodeOf } from '../common/errors.ts';
import { BLOCK_BYTES } from '../common/limits.ts';
import { makeMapBlocks } from './map-blocks.ts';
import { readWhole, writeWhole } from './whole-io.ts';

/**
 * The door to a copy's bytes. Ranges were checked by the caller.
 *
 * Errors: `write`, `reserve` and `trim` throw NO_SPACE when the file system is full; everything else that
 * fails throws the system error.
 */
export interface DataFile {
  /** Fills `target` from `offset`. */
  readInto(target: Buffer, offset: number): void;
  write(source: Buffer, offset: number): void;
  /** The range has its space, so that a write of it cannot lack any; it reads as before. */
  reserve(offset: number, length: number): void;
  /** The range reads as zeros afterwards; whole blocks in it give their space back. */
  trim(offset: number, length: number): void;
  /** Everything written before the call is on stable storage when `done` is called without error. */
  fdatasync(done: (error: Error | null) => void): void;
  /** For each block of the range: 1 when it may hold data, 0 for a hole. */
  map(offset: number, length: number): Buffer;
  /** At least so long, durably; what is new is a hole. */
  grow(sizeBytes: number): void;
  /** Space that is really taken. */
  allocatedBytes(): number;
  close(): void;
}

/**
 * The real one, on the page cache. Calls are synchronous: at 4 KiB they take about 1 µs, a round
 * through the thread pool many times that. Only fdatasync may take long, and it does not block.
 */
export function openDataFile(path: string): DataFile {
  const fd = openSync(path, 'r+');
  const mapBlocks = makeMapBlocks();
  return {
    readInto: (target, offset) => read(fd, target, offset),
    write: (source, offset) => write(fd, source, offset),
    reserve: (offset, length) => reserve(fd, offset, length),
    trim: (offset, length) => trim(fd, offset, length),
    fdatasync: (done) => fdatasync(fd, done),
    map: (offset, length) => mapBlocks(fd, offset, length),
    grow: (sizeBytes) => grow(fd, sizeBytes),
    allocatedBytes: () => fstatSync(fd).blocks * STAT_BLOCK_BYTES,
    close: () => closeSync(fd),
  };
}

/** POSIX leaves the unit of st_blocks open; on Linux it is 512. */
const STAT_BLOCK_BYTES = 512;

function read(fd: number, target: Buffer, offset: number): void {
  const done = readWhole(fd, target, offset);
  if (done === target.length) return;
  throw new KeelsonError(
    'CORRUPT',
    `read the data file at ${offset + done}: expected ${target.length - done} more bytes, got its end`,
  );
}

function write(fd: number, source: Buffer, offset: number): void {
  try {
    writeWhole(fd, source, offset);
  } catch (error) {
    throw spaceErrorOr(error, offset);
  }
}

/**
 * Written with what it reads as: Node has no fallocate. A file system that never writes in place
 * (btrfs, ZFS) needs space for every write all the same.
 */
function reserve(fd: number, offset: number, length: number): void {
  const bytes = Buffer.allocUnsafe(length);
  read(fd, bytes, offset);
  write(fd, bytes, offset);
}

function trim(fd: number, offset: number, length: number): void {
  const end = offset + length;
  const firstWhole = Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
  const endWhole = Math.floor(end / BLOCK_BYTES) * BLOCK_BYTES;
  if (firstWhole >= endWhole) {
    writeZeros(fd, offset, end);
    return;
  }
  writeZeros(fd, offset, firstWhole);
  punch(fd, firstWhole, endWhole);
  writeZeros(fd, endWhole, end);
}

function grow(fd: number, sizeBytes: number): void {
  if (fstatSync(fd).size >= sizeBytes) return;
  try {
    ftruncateSync(fd, sizeBytes);
  } catch (error) {
    if (systemCodeOf(error) !== 'EFBIG') throw error;
    const message = `grow the data file to ${sizeBytes} bytes: this file system has no files so long`;
    throw new KeelsonError('NO_SPACE', message, { cause: error });
  }
  fsyncSync(fd);
}

function punch(fd: number, start: number, end: number): void {
  try {
    trimSync(fd, start, end - start);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') {
      throw spaceErrorOr(error, start);
    }
    writeZeros(fd, start, end); // a file system without holes keeps the space, not the bytes
  }
}

const ZEROS = Buffer.alloc(256 * 1024);

function writeZeros(fd: number, start: number, end: number): void {
  assert(start <= end, 'a range runs forwards', { start, end });
  for (let at = start; at < end; at += ZEROS.length) {
    write(fd, ZEROS.subarray(0, Math.min(ZEROS.length, end - at)), at);
  }
}

function spaceErrorOr(error: unknown, offset: number): unknown {
  if (!isDiskFull(error)) return error;
  const message = `write the data file at ${offset}: the file system is full; free space on this node`;
  return new KeelsonError('NO_SPACE', message, { cause: error });
}
