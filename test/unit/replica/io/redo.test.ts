import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeelsonError } from '../../../../replica/common/errors.ts';
import { type Lz4, loadLz4Napi } from '../../../../replica/common/lz4.ts';
import type { DataFile } from '../../../../replica/io/data-file.ts';
import { openDirectory } from '../../../../replica/io/directory.ts';
import type { JournalFile } from '../../../../replica/io/journal-file.ts';
import { redo } from '../../../../replica/io/redo.ts';
import { FLAG, OPCODE } from '../../../../replica/protocol/constants.ts';
import type { Frame } from '../../../../replica/protocol/frame.ts';
import {
  JOURNAL_BYTES,
  makeMark,
  RECORDS_OFFSET,
} from '../../../../replica/store/journal-content.ts';
import { encodeRecord } from '../../../../replica/store/redo-record.ts';
import { frameOf, METADATA } from '../support/core-harness.ts';

const SIZE = 1024 * 1024;
const BOOT = 'this boot';

let root: string;
let lz4: Lz4;
let identity: Parameters<typeof openDirectory>[0];

beforeAll(async () => {
  lz4 = await loadLz4Napi();
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-redo-'));
  const dataDir = join(root, 'copy');
  identity = { dataDir, volumeId: 'v1', replicaId: 'r1', sizeBytes: SIZE };
});

afterEach(() => rmSync(root, { recursive: true }));

const path = (name: string) => join(identity.dataDir, name);

function packed(offset: number, length: number, fill: number): Frame {
  const room = Buffer.alloc(length);
  const payload = room.subarray(0, lz4.compress(Buffer.alloc(length, fill), room));
  const flags = FLAG.LZ4 | FLAG.ATOMIC;
  return { ...frameOf(OPCODE.WRITE, { offset, flags }), length, payload };
}

const raw = (offset: number, length: number, fill: number) =>
  frameOf(OPCODE.WRITE, { offset, length, payload: Buffer.alloc(length, fill) });

/** Opens the directory; `write` is what a process does to it that is killed then. */
async function openOnce(write: (directory: ReturnType<typeof openDirectory>) => void) {
  const directory = openDirectory(identity);
  write(directory);
  await directory.close();
}

const record = (number: number, dataId: string, ...changes: readonly Frame[]) =>
  encodeRecord({ number, session: 0, changes }, dataId, RECORDS_OFFSET);

test('redo, carries out what is written down, packed or not, in order, with trims', async () => {
  await openOnce(({ metadata, dataFile, journalFile }) => {
    dataFile.write(Buffer.alloc(65536, 1), 0);
    const trim = frameOf(OPCODE.TRIM, { offset: 8192, length: 4096 });
    const changes = [packed(0, 16384, 2), raw(4096, 8192, 3), trim];
    for (const page of record(1, metadata.dataId, ...changes)) journalFile.note(page);
  });
  await openOnce((directory) => {
    const content = redo({ ...directory, lz4, bootId: BOOT });
    expect(content.redo).toHaveLength(3);
    const data = Buffer.alloc(65536);
    directory.dataFile.readInto(data, 0);
    expect([0, 4096, 8192, 12288, 16384].map((at) => data[at])).toEqual([2, 3, 0, 2, 1]);
    expect(directory.dataFile.map(8192, 4096)[0]).toBe(0);
  });
  // It stays until the data is durable, but is not carried out again over what is newer.
  await openOnce((directory) => {
    directory.dataFile.write(Buffer.alloc(4096, 9), 0);
    const metadata = { ...directory.metadata, bootId: BOOT };
    const content = redo({ ...directory, metadata, lz4, bootId: BOOT });
    expect(content).toMatchObject({ redo: [], records: [{ number: 1, isOverlapped: true }] });
    const data = Buffer.alloc(4096);
    directory.dataFile.readInto(data, 0);
    expect(data[0]).toBe(9);
  });
});

test.each<[string, (journal: Buffer) => void]>([
  ['torn', (journal) => journal.fill(0xee, RECORDS_OFFSET + 600, RECORDS_OFFSET + 700)],
  ['carried out already', (journal) => makeMark('carriedOut', 1).bytes.copy(journal, 0)],
  ['gone', (journal) => journal.fill(0)],
])('redo, touches no data, when the record is %s', async (_case, harm) => {
  await openOnce(({ metadata, journalFile, metadataFile }) => {
    metadataFile.write({ ...metadata, bootId: BOOT });
    for (const page of record(1, metadata.dataId, raw(0, 8192, 7))) journalFile.note(page);
  });
  const journal = readFileSync(path('journal'));
  harm(journal);
  writeFileSync(path('journal'), journal);
  await openOnce((directory) => {
    expect(redo({ ...directory, lz4, bootId: BOOT }).redo).toEqual([]);
    expect(directory.dataFile.allocatedBytes()).toBe(0);
  });
});

test('redo, leaves a record alone that came with the journal of another copy', async () => {
  await openOnce(({ journalFile }) => {
    for (const page of record(1, 'another copy', raw(0, 8192, 7))) journalFile.note(page);
  });
  await openOnce((directory) => {
    expect(redo({ ...directory, lz4, bootId: BOOT }).redo).toEqual([]);
    expect(directory.dataFile.allocatedBytes()).toBe(0);
  });
  const left = readFileSync(path('journal')).subarray(RECORDS_OFFSET, RECORDS_OFFSET + 4096);
  expect(left).toEqual(Buffer.alloc(4096));
});

/** A journal with two changes in memory, and a data file, that note what is done to them. */
function makeDisk(failure?: Error) {
  const file = Buffer.alloc(JOURNAL_BYTES);
  for (const { offset, bytes } of record(4, 'd1', raw(0, 4096, 1), packed(8192, 8192, 2))) {
    bytes.copy(file, offset);
  }
  const calls: string[] = [];
  const journalFile: JournalFile = {
    read: () => file,
    keep: (_file, end) => void calls.push(`keep ${end}`),
    note: ({ offset }) => void calls.push(`note ${offset}`),
  };
  const dataFile = {
    write(source: Buffer, offset: number) {
      if (failure !== undefined) throw failure;
      calls.push(`write ${offset} ${source.length}`);
    },
  } as DataFile;
  const metadata = { ...METADATA, session: 0 };
  return { calls, redo: () => redo({ metadata, journalFile, dataFile, lz4, bootId: BOOT }) };
}

test('redo, makes the journal durable first, and notes at the end what it has carried out', () => {
  const disk = makeDisk();
  expect(disk.redo()).toMatchObject({ lastNumber: 4 });
  const end = RECORDS_OFFSET + 3 * 4096; // 512 + 2 × 48 + 4096 bytes and a few
  expect(disk.calls).toEqual([`keep ${end - 4096}`, 'write 0 4096', 'write 8192 8192', 'note 0']);
});

test('redo, says in one sentence what it could not do, and notes nothing, when there is no space', () => {
  const disk = makeDisk(new KeelsonError('NO_SPACE', 'write the data file at 0: it is full'));
  const message = 'carry out the journal of r1 again: write the data file at 0: it is full';
  expect(disk.redo).toThrow(expect.objectContaining({ code: 'NO_SPACE', message }));
  expect(disk.calls).toEqual([`keep ${RECORDS_OFFSET + 2 * 4096}`]);
  expect(makeDisk(new Error('EIO')).redo).toThrow(expect.objectContaining({ code: 'IO_FAILED' }));
});

test('journal file, is as long as at first again, once a long record is done with', async () => {
  await openOnce(({ metadata, journalFile }) => {
    const long = Array.from({ length: 5 }, () => raw(0, SIZE, 1));
    for (const page of record(1, metadata.dataId, ...long)) journalFile.note(page);
    journalFile.note(makeMark('durable', 1));
  });
  expect(statSync(path('journal')).size).toBeGreaterThan(JOURNAL_BYTES);
  await openOnce((directory) => {
    const journal = readFileSync(path('journal'));
    const { redo: again } = redo({ ...directory, lz4, bootId: BOOT });
    expect(again).toEqual([]);
    expect(statSync(path('journal')).size).toBeGreaterThanOrEqual(journal.length);
    directory.journalFile.keep(Buffer.alloc(RECORDS_OFFSET), RECORDS_OFFSET);
  });
  expect(statSync(path('journal')).size).toBe(JOURNAL_BYTES);
});
