import {
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDirectory } from '../../../../replica/io/directory.ts';

let root: string;
let identity: Parameters<typeof openDirectory>[0];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-directory-'));
  const dataDir = join(root, 'copy');
  identity = { dataDir, volumeId: 'v1', replicaId: 'r1', sizeBytes: 65536 };
});

afterEach(() => rmSync(root, { recursive: true }));

function openOnce(change: Partial<typeof identity> = {}) {
  const directory = openDirectory({ ...identity, ...change });
  directory.close();
  return directory.metadata;
}

const path = (name: string) => join(identity.dataDir, name);
const withCode = (code: string) => expect.objectContaining({ code });

test('directory, is formatted once and keeps its data id', () => {
  const first = openOnce();
  expect(first).toMatchObject({ epoch: 0, session: 0, isClean: true, isPristine: true });
  expect(openOnce()).toEqual(first);
});

test('directory, reads back the newest of many metadata writes', () => {
  const directory = openDirectory(identity);
  for (let session = 1; session <= 5; session += 1) {
    directory.metadataFile.write({ ...directory.metadata, session });
  }
  directory.close();
  expect(openOnce().session).toBe(5);
});

test('directory, is formatted again, when the first format was cut short', () => {
  for (const leftover of ['data', 'metadata.new', 'data']) {
    const first = openOnce();
    rmSync(path('metadata'));
    if (leftover === 'data') truncateSync(path('data'), 100);
    else writeFileSync(path(leftover), 'half');
    expect(openOnce().dataId).not.toBe(first.dataId);
  }
});

test('directory, is refused and kept, when there is data without metadata', () => {
  openOnce();
  writeFileSync(path('data'), Buffer.alloc(65536, 1));
  renameSync(path('metadata'), path('elsewhere'));
  expect(() => openOnce()).toThrow(withCode('CORRUPT'));
  expect(readFileSync(path('data'))[5]).toBe(1);
});

test.each<[string, Partial<Parameters<typeof openDirectory>[0]>, string, string]>([
  ['volume', { volumeId: 'v2' }, 'WRONG_IDENTITY', 'belongs to volumeId v1, expected v2'],
  ['replica', { replicaId: 'r2' }, 'WRONG_IDENTITY', 'belongs to replicaId r1, expected r2'],
  ['larger size', { sizeBytes: 131072 }, 'FAILED_PRECONDITION', '--size says 131072'],
  ['smaller size', { sizeBytes: 4096 }, 'FAILED_PRECONDITION', '--size says 4096'],
])('directory, is refused, for another %s', (_case, change, code, message) => {
  openOnce();
  expect(() => openOnce(change)).toThrow(withCode(code));
  expect(() => openOnce(change)).toThrow(message);
});

test('directory, is refused, when the data file is truncated or gone', () => {
  openOnce();
  truncateSync(path('data'), 65535);
  expect(() => openOnce()).toThrow(withCode('CORRUPT'));
  rmSync(path('data'));
  expect(() => openOnce()).toThrow('expected 65536 bytes, got 0');
});

test('directory, is refused, when both metadata slots are damaged, even if no data is there', () => {
  openOnce();
  writeFileSync(path('metadata'), Buffer.alloc(8192, 7));
  expect(() => openOnce()).toThrow(withCode('CORRUPT'));
  writeFileSync(path('metadata'), '');
  expect(() => openOnce()).toThrow('the data was kept');
});

test('directory, is refused with the pid, while somebody else has it open', () => {
  const directory = openDirectory(identity);
  expect(() => openOnce()).toThrow(`locked by another process (pid ${process.pid})`);
  directory.close();
  openOnce();
});
