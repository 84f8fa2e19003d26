import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataFile, openDataFile } from '../../../../replica/io/data-file.ts';
import { seededRandom } from '../support/random.ts';

const SIZE = 256 * 1024;
let directory: string;
let file: DataFile;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-data-file-'));
  const path = join(directory, 'data');
  const fd = openSync(path, 'w');
  ftruncateSync(fd, SIZE);
  closeSync(fd);
  file = openDataFile(path);
});

afterEach(() => {
  file.close();
  rmSync(directory, { recursive: true });
});

function read(offset: number, length: number): Buffer {
  const target = Buffer.alloc(length, 0xee);
  file.readInto(target, offset);
  return target;
}

test('data file, reads zeros where nothing was written, and takes no space', () => {
  expect(read(0, SIZE).equals(Buffer.alloc(SIZE))).toBe(true);
  expect(file.allocatedBytes()).toBe(0);
});

test('data file, gives back the space of the whole blocks, when they are trimmed', () => {
  file.write(Buffer.alloc(SIZE, 1), 0);
  const before = file.allocatedBytes();
  file.trim(100, 65536);
  expect(before - file.allocatedBytes()).toBe(65536 - 4096);
  expect(read(99, 1)[0]).toBe(1);
  expect(read(100, 65536).equals(Buffer.alloc(65536))).toBe(true);
  expect(read(65636, 1)[0]).toBe(1);
});

test('data file, behaves like a buffer, for any writes and trims', () => {
  const seed = 4711;
  const random = seededRandom(seed);
  const model = Buffer.alloc(SIZE);
  for (let round = 0; round < 300; round += 1) {
    const offset = Math.floor(random() * (SIZE - 1));
    const length = 1 + Math.floor(random() * Math.min(20_000, SIZE - offset - 1));
    const fill = random() < 0.5 ? 0 : 1 + (round % 255);
    if (fill === 0) file.trim(offset, length);
    else file.write(Buffer.alloc(length, fill), offset);
    model.fill(fill, offset, offset + length);
  }
  expect({ seed, isEqual: read(0, SIZE).equals(model) }).toEqual({ seed, isEqual: true });
});

test('data file, says so, when it ends before the volume does', () => {
  expect(() => read(SIZE - 10, 20)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
});

test('data file, calls back, when everything is on stable storage', async () => {
  file.write(Buffer.alloc(10, 1), 0);
  const error = await new Promise((resolve) => file.fdatasync(resolve));
  expect(error).toBeNull();
});

test('data file, tells data from holes by blocks, also behind its last data', () => {
  file.write(Buffer.alloc(100, 1), 8192 + 50);
  file.write(Buffer.alloc(8192, 1), 65536);
  const map = [...file.map(0, SIZE)];
  const data = map.flatMap((byte, block) => (byte === 1 ? [block] : []));
  expect(map.length).toBe(SIZE / 4096);
  expect(data).toEqual([2, 16, 17]);
  expect([...file.map(65536 + 4096, 8192)]).toEqual([1, 0]);
  expect([...file.map(SIZE - 4096, 4096)]).toEqual([0]);
});

test('data file, grows and never shrinks', () => {
  file.write(Buffer.alloc(4096, 7), SIZE - 4096);
  file.grow(2 * SIZE);
  file.grow(SIZE);
  expect(read(SIZE - 4096, 8192)).toEqual(
    Buffer.concat([Buffer.alloc(4096, 7), Buffer.alloc(4096)]),
  );
  expect(read(2 * SIZE - 10, 10)).toEqual(Buffer.alloc(10));
});

test('data file, has no space for more than the file system allows, and keeps its length', () => {
  const tooLong = expect.objectContaining({ code: 'NO_SPACE' });
  expect(() => file.grow(2 ** 52)).toThrow(tooLong);
  expect(read(SIZE - 10, 10)).toEqual(Buffer.alloc(10));
});

test('data file, reserves space for a range that reads as before', () => {
  file.write(Buffer.alloc(512, 7), 8192 + 512);
  file.reserve(4096, 16384);
  expect([...file.map(0, 6 * 4096)]).toEqual([0, 1, 1, 1, 1, 0]);
  expect(file.allocatedBytes()).toBeGreaterThanOrEqual(16384);
  const expected = Buffer.alloc(16384);
  expected.fill(7, 4096 + 512, 4096 + 1024);
  expect(read(4096, 16384)).toEqual(expected);
});
