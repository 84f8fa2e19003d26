import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { messageOf } from '../../../replica/common/errors.ts';

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

/**
 * The sentence that a child left when it could not start: its last line that is no JSON log line,
 * or the message of the error that it crashed with. Bytes before `fromBytes` belong to an earlier
 * start.
 */
export function lastSentence(path: string, fromBytes: number): string | undefined {
  try {
    const lines = readTail(path, fromBytes).split('\n').filter(isSentence);
    const crash = lines.findLast((line) => /^\w*(Error|Failure)\b.*: /.test(line));
    return (crash ?? lines.at(-1))?.slice(0, 400);
  } catch (error) {
    return `its log is unreadable: ${messageOf(error)}`;
  }
}

/** Not a log line, nor the source excerpts, stack and version that Node.js prints at a crash. */
function isSentence(line: string): boolean {
  return /^[^\s{}^]/.test(line) && !line.startsWith('Node.js v');
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
