import { fdatasyncSync, fstatSync, ftruncateSync } from 'node:fs';
import { JOURNAL_BYTES } from '../store/journal-content.ts';
import type { Page } from '../store/page.ts';
import { RECORD_ALIGNMENT } from '../store/redo-record.ts';
import { readWhole, writeWhole } from './whole-io.ts';

/** The door to a copy's journal before the copy is served. Throws the system error. */
export interface JournalFile {
  /** All of it, as the page cache shows it. */
  read(): Buffer;
  /**
   * Makes durable what was read, up to `end`, and that nothing follows. A process that was killed may
   * have left it in the page cache only. It is written again, not only flushed: after a flush that
   * failed, the kernel would find nothing to do.
   */
  keep(file: Buffer, end: number): void;
  /** Writes a page into the page cache. */
  note(page: Page): void;
}

export function openJournalFile(fd: number): JournalFile {
  return {
    read() {
      const file = Buffer.alloc(fstatSync(fd).size);
      readWhole(fd, file, 0);
      return file;
    },
    keep(file, end) {
      writeWhole(fd, file.subarray(0, end), 0);
      writeWhole(fd, Buffer.alloc(RECORD_ALIGNMENT), end);
      if (end < JOURNAL_BYTES) ftruncateSync(fd, JOURNAL_BYTES); // a long record made it longer
      fdatasyncSync(fd);
    },
    note: ({ offset, bytes }) => writeWhole(fd, bytes, offset),
  };
}
