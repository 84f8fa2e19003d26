import fs, { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readWhole, writeWhole, writeWholeLater } from '../../../../replica/io/whole-io.ts';

const BYTES = Buffer.from('0123456789');
/** The most that the system does at once here; the last piece is shorter. */
const PIECE_BYTES = 3;

let directory: string;
let path: string;
let fd: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-whole-'));
  path = join(directory, 'file');
  writeFileSync(path, 'ab');
  fd = openSync(path, 'r+');
});

afterEach(() => {
  jest.restoreAllMocks();
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

/** Cuts the fourth argument, the length, of a call of the system. Returns how often it was made. */
function cutShort(name: 'readSync' | 'writeSync' | 'write'): () => number {
  const whole = fs[name] as (...values: unknown[]) => unknown;
  const cut = (...values: unknown[]) =>
    whole(...values.with(3, Math.min(Number(values[3]), PIECE_BYTES)));
  const spy = jest.spyOn(fs, name).mockImplementation(cut as never);
  return () => spy.mock.calls.length;
}

test('whole write, goes on behind what was written, when the system writes less than asked', () => {
  const calls = cutShort('writeSync');
  writeWhole(fd, BYTES, 2);
  expect(readFileSync(path, 'utf8')).toBe('ab0123456789');
  expect(calls()).toBe(4);
});

test('whole write later, goes on behind what was written, when the system writes less than asked', async () => {
  const calls = cutShort('write');
  await writeWholeLater(fd, BYTES, 2);
  expect(readFileSync(path, 'utf8')).toBe('ab0123456789');
  expect(calls()).toBe(4);
});

test('whole read, fills its target piece by piece, and says how far when the file ends before', () => {
  writeFileSync(path, BYTES);
  const calls = cutShort('readSync');
  const target = Buffer.alloc(7, 'x');
  expect(readWhole(fd, target, 1)).toBe(7);
  expect([target.toString(), calls()]).toEqual(['1234567', 3]);
  target.fill('x');
  expect(readWhole(fd, target, 6)).toBe(4);
  expect(target.toString()).toBe('6789xxx');
});

test('whole write, throws what the system says, at once or later', async () => {
  const full = openSync('/dev/full', 'r+');
  try {
    expect(() => writeWhole(full, BYTES, 0)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    await expect(writeWholeLater(full, BYTES, 0)).rejects.toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(full);
  }
});
