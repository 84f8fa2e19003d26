import { REGION_BYTES } from '../../../../replica/common/limits.ts';
import type { DataFile } from '../../../../replica/io/data-file.ts';
import { writeAgain } from '../../../../replica/io/write-again.ts';

test('I8: what a failed flush left is written again, holes as holes, and nothing else is touched', () => {
  const content = Buffer.alloc(4 * REGION_BYTES);
  content.fill(7, REGION_BYTES, REGION_BYTES + 512);
  const calls: string[] = [];
  const dataFile = {
    readInto: (target: Buffer, offset: number) => void content.copy(target, 0, offset),
    write: (source: Buffer, offset: number) => {
      expect(source.equals(content.subarray(offset, offset + source.length))).toBe(true);
      calls.push(`write ${offset / REGION_BYTES}`);
    },
    trim: (offset: number, length: number) => {
      calls.push(`trim ${offset / REGION_BYTES} ${length / REGION_BYTES}`);
    },
  } as unknown as DataFile;
  writeAgain(dataFile, [
    { start: 0, end: 2 * REGION_BYTES },
    { start: 3 * REGION_BYTES, end: 3.5 * REGION_BYTES },
  ]);
  expect(calls).toEqual(['trim 0 1', 'write 1', 'trim 3 0.5']);
});
