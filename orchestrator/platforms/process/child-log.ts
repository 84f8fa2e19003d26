import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { messageOf } from '../../../replica/common/errors.ts';
import { lastSentenceIn } from '../last-sentence.ts';

/** A log that is longer when its process starts moves aside; one older log is kept. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** Enough for a crash with its stack. */
const TAIL_BYTES = 4096;

/** Opens a child's log for appending; the child writes to it by itself, nothing is copied. */
export function openChildLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o640);
}

/** The sentence that a child left when it could not start; bytes before `fromBytes` are older. */
export function lastSentence(path: string, fromBytes: number): string | undefined {
  try {
    return lastSentenceIn(readTail(path, fromBytes));
  } catch (error) {
    return `its log is unreadable: ${messageOf(error)}`;
  }
}

function readTail(path: string, fromBytes: number): string {
  const fd = openSync(path, 'r');
  try {
    const end = fstatSync(fd).size;
    const start = Math.max(fromBytes, end - TAIL_BYTES);
    const tail = Buffer.alloc(Math.max(0, end - start));
    const length = readSync(fd, tail, 0, tail.length, start);
    return tail.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}
