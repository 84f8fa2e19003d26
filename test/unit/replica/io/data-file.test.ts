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
