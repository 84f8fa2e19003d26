import { BLOCK_BYTES } from '../../../replica/common/limits.ts';
import { fillBlock, readBlock } from '../../chaos/blocks.ts';

const PLACE = { volume: 2, block: 77 };

function make(stamp: number, place = PLACE): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  fillBlock(bytes, place, stamp);
  return bytes;
}

test('a block names its stamp, and zeros are stamp 0', () => {
  for (const stamp of [1, 2, 3_000_001, 4_000_000]) {
    expect(readBlock(make(stamp), PLACE)).toBe(stamp);
  }
  expect(readBlock(Buffer.alloc(BLOCK_BYTES), PLACE)).toBe(0);
});

test('a block that is torn, foreign or misplaced is told apart from any stamp', () => {
  const torn = Buffer.concat([make(5).subarray(0, 512), make(7).subarray(512)]);
  expect(readBlock(torn, PLACE)).toBe('stamp 5 up to byte 512 only');
  expect(readBlock(make(5, { volume: 1, block: 76 }), PLACE)).toContain('in the wrong place');
  expect(readBlock(Buffer.alloc(BLOCK_BYTES, 0x5a), PLACE)).toContain('that nobody wrote');
});
