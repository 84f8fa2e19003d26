import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { END_BYTES, readContent } from '../../../../orchestrator/docker-driver/core/contents.ts';

const MIB = 1024 ** 2;
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-contents-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const zeros = () => Buffer.alloc(END_BYTES);
const withBytes = (at: number, bytes: string | number[]) => {
  const buffer = zeros();
  Buffer.from(bytes as string, 'latin1').copy(buffer, at);
  return buffer;
};

test('two ends of zeros are blank, and one other byte anywhere in them is not', () => {
  expect(readContent(zeros(), zeros())).toEqual({ kind: 'blank' });
  for (const at of [0, 1, 1023, 4096, END_BYTES - 1]) {
    expect(readContent(withBytes(at, '\x01'), zeros()).kind).toBe('foreign');
    expect(readContent(zeros(), withBytes(at, '\x01')).kind).toBe('foreign');
  }
});

test.each([
  ['ext4', 64 * MIB, ['mkfs.ext4', '-q', '-F']],
  ['ext4', 64 * MIB, ['mkfs.ext4', '-q', '-F', '-b', '1024']],
  ['ext4', 64 * MIB, ['mkfs.ext4', '-q', '-F', '-O', '^64bit']],
  ['xfs', 320 * MIB, ['mkfs.xfs', '-q', '-f']],
])('%s of %d bytes by %j is known, with its size', (type, bytes, [program = '', ...words]) => {
  const path = join(directory, 'disk');
  writeFileSync(path, '');
  truncateSync(path, bytes);
  const made = spawnSync(program, [...words, path], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`${program}: ${made.stderr}; install e2fsprogs, xfsprogs`);
  expect(readContent(read(path, 0), read(path, bytes - END_BYTES))).toEqual({
    kind: 'file-system',
    ...{ type, bytes },
  });
});

test.each([
  ['a LUKS volume', 0, 'LUKS\xba\xbe'],
  ['an LVM physical volume', 512, 'LABELONE'],
  ['a GPT partition table', 512, 'EFI PART'],
  ['a Btrfs file system', 65_600, '_BHRfS_M'],
  ['swap space', 4086, 'SWAPSPACE2'],
  ['an NTFS file system', 3, 'NTFS    '],
  ['a RAID member', 4096, '\xfc\x4e\x2b\xa9'],
  ['a partition table', 510, '\x55\xaa'],
])('%s is foreign, and called so', (what, at, bytes) => {
  expect(readContent(withBytes(at, bytes), zeros())).toEqual({ kind: 'foreign', what });
});

test('the magic of ext4 alone, with a block size that cannot be, is no file system', () => {
  const first = withBytes(1024 + 56, '\x53\xef');
  first.writeUInt32LE(7, 1024 + 24);
  expect(readContent(first, zeros()).kind).toBe('foreign');
});

function read(path: string, at: number): Buffer {
  const fd = openSync(path, 'r');
  const buffer = Buffer.alloc(END_BYTES);
  readSync(fd, buffer, 0, END_BYTES, at);
  closeSync(fd);
  return buffer;
}
