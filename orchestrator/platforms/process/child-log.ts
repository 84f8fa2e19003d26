import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { messageOf } from '../../../replica/common/errors.ts';

/** A log that is longer when its process starts moves aside; one older log is kept. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;

const TAIL_BYTES = 2048;

/** Opens a child's log for appending; the child writes to it by itself, nothing is copied. */
export function openChildLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o640);
}

/**
 * The sentence that a child left when it could not start: its last line that is no JSON log line.
 * Lines before `fromBytes` belong to an earlier start.
 */
export function lastSentence(path: string, fromBytes: number): string | undefined {
  try {
    const fd = openSync(path, 'r');
    try {
      const end = fstatSync(fd).size;
      const start = Math.max(fromBytes, end - TAIL_BYTES);
      const tail = Buffer.alloc(Math.max(0, end - start));
      readSync(fd, tail, 0, tail.length, start);
      const lines = tail.toString('utf8').trim().split('\n');
      return lines.findLast((line) => line !== '' && !line.startsWith('{'))?.slice(0, 400);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return `its log is unreadable: ${messageOf(error)}`;
  }
}
