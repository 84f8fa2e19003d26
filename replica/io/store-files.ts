import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isDiskFull, KeelsonError, messageOf } from '../common/errors.ts';
import { HotExtents, hotFileBytes } from '../store/hot-extents.ts';
import { JOURNAL_BYTES } from '../store/journal-content.ts';
import type { Page, StoreFile } from '../store/page.ts';
import { REGION_PAGE_BYTES, RegionMap, regionFileBytes } from '../store/region-map.ts';
import { createDurably, replaceDurably } from './durable-files.ts';
import { type JournalFile, openJournalFile } from './journal-file.ts';
import { readWhole, writeWhole, writeWholeLater } from './whole-io.ts';

/** The door to what a copy remembers of its changes, and to what it must not do by halves. */
export interface StoreFiles {
  /**
   * Writes the pages and makes them durable, without holding up the caller. One save at a time.
   *
   * Errors: NO_SPACE when the file system is full, else IO_FAILED.
   */
  save(file: StoreFile, pages: readonly Page[], done: (failure: KeelsonError | null) => void): void;
  /** Writes a page of the journal into the page cache, at once. Throws the system error. */
  note(page: Page): void;
  /**
   * Long enough for a volume of so many bytes, durably; what is new says that nothing was written.
   *
   * Errors: NO_SPACE when the file system is full, else the system error. Nothing is lost.
   */
  grow(sizeBytes: number): void;
  /** Once the save under way is over: nothing is written to a file that is closed. */
  close(): Promise<void>;
}

export interface OpenStore {
  readonly storeFiles: StoreFiles;
  readonly regions: RegionMap;
  readonly hot: HotExtents;
  readonly journalFile: JournalFile;
  /** What was found damaged, in words; empty when all is well. */
  readonly damage: readonly string[];
}

/** Written with one call of the system, if they lie side by side. */
const MAX_JOINED_PAGES = 256;
const READ_BYTES = 1024 * 1024;
/** The region map of 1 TiB and a little more; that of a larger volume grows as it is needed. */
const MAX_TAKEN_BYTES = 72 * 1024 * 1024;
const EMPTY_JOURNAL = { kind: 'filled', bytes: JOURNAL_BYTES, byte: 0 } as const;
/** No checksum holds for a page of these, so each one is read as damaged. */
const DAMAGED_BYTE = 0xff;

export function formatStore(dataDir: string, sizeBytes: number): void {
  // Their space is taken now: a full disk must not stop a copy that only wants to remember.
  const regionBytes = regionFileBytes(sizeBytes);
  const kind = regionBytes <= MAX_TAKEN_BYTES ? 'filled' : 'hole';
  createDurably(join(dataDir, 'regions'), { kind, bytes: regionBytes, byte: 0 });
  createDurably(join(dataDir, 'hot'), { kind: 'filled', bytes: hotFileBytes(sizeBytes), byte: 0 });
  createDurably(join(dataDir, 'journal'), EMPTY_JOURNAL);
}

/** Opens the files of a formatted directory. Those that are gone or cut count as damaged throughout. */
export function openStore(dataDir: string, sizeBytes: number): OpenStore {
  const damage: string[] = [];
  const lengths = { regions: regionFileBytes(sizeBytes), hot: hotFileBytes(sizeBytes) };
  const open = (file: keyof typeof lengths): number => {
    const path = join(dataDir, file);
    const found = existsSync(path) ? statSync(path).size : undefined;
    if (found === undefined || found < lengths[file]) {
      // Not filled up: zeros would say that nothing was ever written.
      damage.push(`${file}: ${found === undefined ? 'missing' : `cut to ${found} bytes`}`);
      replaceDurably(path, { kind: 'filled', bytes: lengths[file], byte: DAMAGED_BYTE });
    }
    return openSync(path, 'r+');
  };
  const fds = { regions: open('regions'), hot: open('hot'), journal: openJournal(dataDir) };
  const regions = new RegionMap(sizeBytes);
  const damagedPages = loadRegions(regions, fds.regions, lengths.regions);
  if (damagedPages > 0) damage.push(`regions: ${damagedPages} damaged pages`);
  const hot = new HotExtents(sizeBytes);
  const hotBytes = readFileSync(join(dataDir, 'hot')).subarray(0, lengths.hot);
  // A process that was killed may have left bits in the page cache that are on no disk. They are
  // written again, not only flushed: after a flush that failed, the kernel would find nothing to do.
  writeWhole(fds.hot, hotBytes, 0);
  fdatasyncSync(fds.hot);
  const damagedSectors = hot.load(hotBytes);
  if (damagedSectors > 0) damage.push(`hot: ${damagedSectors} damaged sectors`);
  const journalFile = openJournalFile(fds.journal);
  return { storeFiles: makeStoreFiles(fds), regions, hot, journalFile, damage };
}

/** A directory of a version that had none gets one. */
function openJournal(dataDir: string): number {
  const path = join(dataDir, 'journal');
  if (!existsSync(path)) replaceDurably(path, EMPTY_JOURNAL);
  const fd = openSync(path, 'r+');
  lengthen(fd, 'journal', JOURNAL_BYTES);
  return fd;
}

/** Piece by piece: as a whole it would be 64 MiB per TiB. */
function loadRegions(regions: RegionMap, fd: number, fileBytes: number): number {
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, fileBytes));
  let damagedCount = 0;
  for (let at = 0; at < fileBytes; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, fileBytes - at));
    if (readWhole(fd, piece, at) < piece.length) {
      throw new KeelsonError('IO_FAILED', 'read the region map: it became shorter');
    }
    damagedCount += regions.load(at / REGION_PAGE_BYTES, piece);
  }
  return damagedCount;
}

/** Over files that are open, and that it closes. */
export function makeStoreFiles(fds: Readonly<Record<StoreFile, number>>): StoreFiles {
  let lastSave: Promise<KeelsonError | null> = Promise.resolve(null);
  return {
    save(file, pages, done) {
      lastSave = savePages(fds[file], pages).then(
        () => null,
        (error: unknown) => explain(error, file),
      );
      lastSave.then(done);
    },
    note: ({ offset, bytes }) => writeWhole(fds.journal, bytes, offset),
    grow(sizeBytes) {
      lengthen(fds.regions, 'regions', regionFileBytes(sizeBytes));
      lengthen(fds.hot, 'hot', hotFileBytes(sizeBytes));
    },
    async close() {
      await lastSave;
      for (const fd of Object.values(fds)) closeSync(fd);
    },
  };
}

function lengthen(fd: number, file: StoreFile, bytes: number): void {
  const { size } = fstatSync(fd);
  if (size >= bytes) return;
  try {
    const piece = Buffer.alloc(Math.min(READ_BYTES, bytes - size));
    // As when it is made: what is longer than that stays a hole.
    for (let at = size; bytes <= MAX_TAKEN_BYTES && at < bytes; at += piece.length) {
      writeWhole(fd, piece.subarray(0, Math.min(piece.length, bytes - at)), at);
    }
    ftruncateSync(fd, bytes);
    fsyncSync(fd);
  } catch (error) {
    throw explain(error, file);
  }
}

const makeDurable = promisify(fdatasync);

async function savePages(fd: number, pages: readonly Page[]): Promise<void> {
  for (const { offset, bytes } of joinPages(pages)) await writeWholeLater(fd, bytes, offset);
  await makeDurable(fd);
}

function joinPages(pages: readonly Page[]): Page[] {
  const joined: Page[] = [];
  let run: Page[] = [];
  const endRun = () => {
    if (run.length > 0) {
      joined.push({ offset: run[0]!.offset, bytes: Buffer.concat(run.map(({ bytes }) => bytes)) });
    }
    run = [];
  };
  for (const page of pages) {
    const last = run.at(-1);
    const continues = last !== undefined && last.offset + last.bytes.length === page.offset;
    if (!continues || run.length >= MAX_JOINED_PAGES) endRun();
    run.push(page);
  }
  endRun();
  return joined;
}

function explain(cause: unknown, file: StoreFile): KeelsonError {
  if (!isDiskFull(cause)) {
    return new KeelsonError('IO_FAILED', `save ${file}: ${messageOf(cause)}`, { cause });
  }
  const message = `save ${file}: the file system is full; free space on this node`;
  return new KeelsonError('NO_SPACE', message, { cause });
}
