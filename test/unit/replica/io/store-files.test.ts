import {
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EXTENT_BYTES, REGION_BYTES } from '../../../../replica/common/limits.ts';
import {
  formatStore,
  makeStoreFiles,
  type OpenStore,
  openStore,
} from '../../../../replica/io/store-files.ts';
import { STAMP } from '../../../../replica/protocol/stamps.ts';
import type { StoreFile } from '../../../../replica/store/page.ts';

const SIZE = 2000 * REGION_BYTES;
const TIB = 2 ** 40;

let directory: string;
let opened: OpenStore[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-store-'));
});

afterEach(async () => {
  for (const { storeFiles } of opened) await storeFiles.close();
  opened = [];
  rmSync(directory, { recursive: true });
});

function open(sizeBytes = SIZE): OpenStore {
  const store = openStore(directory, sizeBytes);
  opened.push(store);
  return store;
}

const save = (store: OpenStore, file: StoreFile) =>
  promisify((done: (failure: Error | null) => void) => {
    const { regions, hot, storeFiles } = store;
    const pages = file === 'regions' ? regions.takeDirtyPages() : hot.takeDirtySectors();
    storeFiles.save(file, pages, done);
  })();

test('store files, read back what was saved, whether pages lie side by side or apart', async () => {
  formatStore(directory, TIB);
  const store = open(TIB);
  store.regions.raise(0, 3000 * REGION_BYTES, 5);
  store.regions.raise(TIB - 1, TIB, 6);
  store.hot.set(4);
  store.hot.set(TIB / EXTENT_BYTES - 1);
  await save(store, 'regions');
  await save(store, 'hot');
  const { regions, hot, damage } = open(TIB);
  expect(damage).toEqual([]);
  expect(new Set(regions.stampsOf(0, 3000 * REGION_BYTES))).toEqual(new Set([5]));
  expect(regions.newest(3000 * REGION_BYTES, TIB - REGION_BYTES)).toBe(STAMP.NEVER);
  expect(regions.newest(TIB - REGION_BYTES, TIB)).toBe(6);
  expect(hot.extents()).toEqual([4, TIB / EXTENT_BYTES - 1]);
});

test('store files, take their space when they are made, so that a full disk cannot stop a save', () => {
  formatStore(directory, TIB);
  const bytesTaken = (file: StoreFile) => statSync(join(directory, file)).blocks * 512;
  expect(bytesTaken('hot')).toBeGreaterThanOrEqual(statSync(join(directory, 'hot')).size);
  expect(bytesTaken('regions')).toBeGreaterThanOrEqual(statSync(join(directory, 'regions')).size);
  expect(statSync(join(directory, 'regions')).size).toBeGreaterThan(64 * 2 ** 20);
});

test.each<[string, (path: string) => void, string]>([
  ['missing', (path) => rmSync(path), 'missing'],
  ['cut', (path) => truncateSync(path, 511), 'cut to 511 bytes'],
])(
  'store files that are %s, tell nothing for certain, now and after another start',
  (_case, harm, what) => {
    formatStore(directory, SIZE);
    harm(join(directory, 'regions'));
    harm(join(directory, 'hot'));
    for (const isFirst of [true, false]) {
      const { regions, hot, damage } = open();
      expect(damage.includes(`regions: ${what}`)).toBe(isFirst);
      expect(damage).toContain('regions: 2 damaged pages');
      expect(damage).toContain('hot: 1 damaged sectors');
      expect(new Set(regions.stampsOf(0, SIZE))).toEqual(new Set([STAMP.UNKNOWN]));
      expect(hot.count).toBe(Math.ceil(SIZE / EXTENT_BYTES));
    }
  },
);

test('store file with a damaged page, is believed for the rest, and whole again after a save', async () => {
  formatStore(directory, SIZE);
  const store = open();
  store.regions.raise(0, SIZE, 7);
  await save(store, 'regions');
  const path = join(directory, 'regions');
  const bytes = readFileSync(path);
  bytes[4096 + 20] = 1;
  writeFileSync(path, bytes);
  const harmed = open();
  expect(harmed.damage).toEqual(['regions: 1 damaged pages']);
  expect(harmed.regions.stampsOf(1021 * REGION_BYTES, 1023 * REGION_BYTES)).toEqual([
    7,
    STAMP.UNKNOWN,
  ]);
  await save(harmed, 'regions');
  expect(open().damage).toEqual([]);
});

test('store files, say that the file system is full, when a save is refused for that', async () => {
  const openFull = () => openSync('/dev/full', 'r+');
  const storeFiles = makeStoreFiles({ regions: openFull(), hot: openFull(), journal: openFull() });
  const page = { offset: 0, bytes: Buffer.alloc(512) };
  const failure = await new Promise((resolve) => storeFiles.save('hot', [page], resolve));
  expect(failure).toMatchObject({ code: 'NO_SPACE', message: expect.stringContaining('hot') });
  await storeFiles.close();
});

test('store files, are closed only after the save under way', async () => {
  formatStore(directory, SIZE);
  const store = openStore(directory, SIZE);
  store.hot.set(3);
  const order: string[] = [];
  const saved = save(store, 'hot').then(() => order.push('saved'));
  await store.storeFiles.close().then(() => order.push('closed'));
  await saved;
  expect(order).toEqual(['saved', 'closed']);
  expect(open().hot.extents()).toEqual([3]);
});
