import {
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '../../../../replica/common/crc32c.ts';
import { openDirectory } from '../../../../replica/io/directory.ts';
import { JOURNAL_BYTES } from '../../../../replica/store/journal-content.ts';
import { SLOT_BYTES } from '../../../../replica/store/metadata-record.ts';

let root: string;
let identity: Parameters<typeof openDirectory>[0];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-directory-'));
  const dataDir = join(root, 'copy');
  identity = { dataDir, volumeId: 'v1', replicaId: 'r1', sizeBytes: 65536 };
});

afterEach(() => rmSync(root, { recursive: true }));

async function openOnce(change: Partial<typeof identity> = {}) {
  const directory = openDirectory({ ...identity, ...change });
  await directory.close();
  return directory.metadata;
}

const path = (name: string) => join(identity.dataDir, name);
const withCode = (code: string) => expect.objectContaining({ code });

test('directory, is formatted once and keeps its data id', async () => {
  const first = await openOnce();
  expect(first).toMatchObject({
    ...{ epoch: 0, session: 0, bootId: null, mayLackWrites: false, isPristine: true },
  });
  expect(await openOnce()).toEqual(first);
});

test('directory, reads back the newest of many metadata writes', async () => {
  const directory = openDirectory(identity);
  for (let session = 1; session <= 5; session += 1) {
    directory.metadataFile.write({ ...directory.metadata, session });
  }
  await directory.close();
  expect((await openOnce()).session).toBe(5);
});

test('directory, loses no metadata that was written, when either slot is damaged afterwards', async () => {
  for (const slot of [0, 1]) {
    const directory = openDirectory(identity);
    directory.metadataFile.write({ ...directory.metadata, session: 10 + slot });
    await directory.close();
    const bytes = readFileSync(path('metadata'));
    bytes.fill(0xee, slot * SLOT_BYTES, slot * SLOT_BYTES + 100);
    writeFileSync(path('metadata'), bytes);
    expect((await openOnce()).session).toBe(10 + slot);
  }
});

test('directory, is formatted again, when the first format was cut short', async () => {
  for (const leftover of ['data', 'metadata.new', 'data']) {
    const first = await openOnce();
    rmSync(path('metadata'));
    if (leftover === 'data') truncateSync(path('data'), 100);
    else writeFileSync(path(leftover), 'half');
    expect((await openOnce()).dataId).not.toBe(first.dataId);
  }
});

test('directory, is refused and kept, when there is data without metadata', async () => {
  await openOnce();
  writeFileSync(path('data'), Buffer.alloc(65536, 1));
  renameSync(path('metadata'), path('elsewhere'));
  await expect(openOnce()).rejects.toThrow(withCode('CORRUPT'));
  expect(readFileSync(path('data'))[5]).toBe(1);
});

test.each<[string, Partial<Parameters<typeof openDirectory>[0]>, string, string]>([
  ['volume', { volumeId: 'v2' }, 'WRONG_IDENTITY', 'belongs to volumeId v1, expected v2'],
  ['replica', { replicaId: 'r2' }, 'WRONG_IDENTITY', 'belongs to replicaId r1, expected r2'],
  ['smaller size', { sizeBytes: 4096 }, 'FAILED_PRECONDITION', '--size says 4096'],
])('directory, is refused, for another %s', async (_case, change, code, message) => {
  await openOnce();
  await expect(openOnce(change)).rejects.toThrow(withCode(code));
  await expect(openOnce(change)).rejects.toThrow(message);
});

test('directory, opens as it is for a larger size, and grows when it is told to', async () => {
  const larger = { ...identity, sizeBytes: 8 * 1024 ** 3 };
  await openOnce();
  const opened = openDirectory(larger);
  expect(opened.metadata.sizeBytes).toBe(65536);
  opened.dataFile.grow(larger.sizeBytes);
  opened.storeFiles.grow(larger.sizeBytes);
  opened.metadataFile.write({ ...opened.metadata, sizeBytes: larger.sizeBytes });
  await opened.close();
  const grown = openDirectory(larger);
  expect(grown.damage).toEqual([]);
  expect(grown.regions.newest(0, larger.sizeBytes)).toBe(0);
  expect(grown.hot.count).toBe(0);
  expect(statSync(path('data')).size).toBe(larger.sizeBytes);
  await grown.close();
});

test('directory, is refused, when the data file is truncated or gone', async () => {
  await openOnce();
  truncateSync(path('data'), 65535);
  await expect(openOnce()).rejects.toThrow(withCode('CORRUPT'));
  rmSync(path('data'));
  await expect(openOnce()).rejects.toThrow('expected 65536 bytes, got 0');
});

test('directory, is refused, when both metadata slots are damaged, even if no data is there', async () => {
  await openOnce();
  writeFileSync(path('metadata'), Buffer.alloc(8192, 7));
  await expect(openOnce()).rejects.toThrow(withCode('CORRUPT'));
  writeFileSync(path('metadata'), '');
  await expect(openOnce()).rejects.toThrow('the data was kept');
});

test('directory, is refused with the pid, while somebody else has it open', async () => {
  const directory = openDirectory(identity);
  await expect(openOnce()).rejects.toThrow(`locked by another process (pid ${process.pid})`);
  await directory.close();
  await openOnce();
});

test('directory, gets a journal, when a version made it that had none', async () => {
  await openOnce();
  rmSync(path('journal'));
  const metadata = readFileSync(path('metadata'));
  for (const slot of [0, 1]) asVersion3(metadata.subarray(slot * SLOT_BYTES));
  writeFileSync(path('metadata'), metadata);
  expect(await openOnce()).toMatchObject({ volumeId: 'v1', journalKept: 0 });
  expect(statSync(path('journal')).blocks * 512).toBeGreaterThanOrEqual(JOURNAL_BYTES);
  truncateSync(path('journal'), 5000);
  await openOnce();
  expect(statSync(path('journal')).size).toBe(JOURNAL_BYTES);
});

/** The slot as it was written before there was a journal. */
function asVersion3(slot: Buffer): void {
  const { journalKept, ...fields } = JSON.parse(
    slot.toString('utf8', 32, 32 + slot.readUInt32LE(12)),
  );
  expect(journalKept).toBe(0);
  const json = Buffer.from(JSON.stringify(fields));
  json.copy(slot, 32);
  slot.writeUInt32LE(3, 8);
  slot.writeUInt32LE(json.length, 12);
  slot.writeUInt32LE(crc32c(json, crc32c(slot.subarray(0, 28))), 28);
}
