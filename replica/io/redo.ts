import { KeelsonError, messageOf } from '../common/errors.ts';
import type { Lz4 } from '../common/lz4.ts';
import { FLAG, OPCODE } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { type JournalContent, makeMark, readJournal } from '../store/journal-content.ts';
import type { Metadata } from '../store/metadata-record.ts';
import type { DataFile } from './data-file.ts';
import type { JournalFile } from './journal-file.ts';

export interface RedoParts {
  readonly metadata: Metadata;
  readonly dataFile: DataFile;
  readonly journalFile: JournalFile;
  readonly lz4: Lz4;
  readonly bootId: string;
}

/**
 * Carries out again what the last process may have done by halves, before anybody sees the copy
 * (ADR 0020). In this order: what the page cache shows of the journal is durable before the data
 * changes; that it was carried out is noted before anything newer happens. The data itself becomes
 * durable in its own time: until then the records stay.
 *
 * Errors: NO_SPACE, IO_FAILED or CORRUPT, with what was to be done in the message.
 */
export function redo({ metadata, dataFile, journalFile, lz4, bootId }: RedoParts): JournalContent {
  try {
    const file = journalFile.read();
    const content = readJournal(file, metadata, bootId);
    journalFile.keep(file, content.end);
    if (content.redo.length === 0) return content;
    for (const change of content.redo) carryOut(change, dataFile, lz4);
    journalFile.note(makeMark('carriedOut', content.lastNumber));
    return content;
  } catch (error) {
    const code = error instanceof KeelsonError ? error.code : 'IO_FAILED';
    const message = `carry out the journal of ${metadata.replicaId} again: ${messageOf(error)}`;
    throw new KeelsonError(code, message, { cause: error });
  }
}

function carryOut({ opcode, flags, offset, length, payload }: Frame, dataFile: DataFile, lz4: Lz4) {
  if (opcode === OPCODE.TRIM) {
    dataFile.trim(offset, length);
    return;
  }
  let bytes = payload;
  if ((flags & FLAG.LZ4) !== 0) {
    bytes = Buffer.allocUnsafe(length);
    if (!lz4.decompress(payload, bytes)) {
      throw new KeelsonError(
        'CORRUPT',
        `the write of ${length} bytes at ${offset} does not decompress; replace this copy`,
      );
    }
  }
  dataFile.write(bytes, offset);
}
