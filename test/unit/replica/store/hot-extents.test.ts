import { BLOCK_BYTES, EXTENT_BYTES } from '../../../../replica/common/limits.ts';
import { MAX_TAIL_RANGES } from '../../../../replica/protocol/hello.ts';
import {
  HOT_SECTOR_BYTES,
  HotExtents,
  hotFileBytes,
} from '../../../../replica/store/hot-extents.ts';

const E = EXTENT_BYTES;
const SECTOR_EXTENTS = 4064;
/** Two sectors; the last extent is one block. */
const EXTENT_COUNT = SECTOR_EXTENTS + 3;
const SIZE = (EXTENT_COUNT - 1) * E + BLOCK_BYTES;

function hotOf(...extents: number[]): HotExtents {
  const hot = new HotExtents(SIZE);
  for (const extent of extents) hot.set(extent);
  return hot;
}

function save(hot: HotExtents, file: Buffer = Buffer.alloc(hotFileBytes(SIZE))): Buffer {
  for (const { offset, bytes } of hot.takeDirtySectors()) bytes.copy(file, offset);
  return file;
}

test('hot extents, are counted, listed and joined where they touch', () => {
  const hot = hotOf(0, 1, 9, SECTOR_EXTENTS - 1, SECTOR_EXTENTS, EXTENT_COUNT - 1);
  hot.set(1);
  hot.clear(5);
  hot.clear(9);
  expect(hot.count).toBe(5);
  expect(hot.extents()).toEqual([0, 1, SECTOR_EXTENTS - 1, SECTOR_EXTENTS, EXTENT_COUNT - 1]);
  expect([hot.isHot(1), hot.isHot(9)]).toEqual([true, false]);
  expect(hot.ranges()).toEqual([
    { start: 0, end: 2 * E },
    { start: (SECTOR_EXTENTS - 1) * E, end: (SECTOR_EXTENTS + 1) * E },
    { start: (EXTENT_COUNT - 1) * E, end: SIZE },
  ]);
  expect(() => hot.set(EXTENT_COUNT)).toThrow('an extent of this volume');
});

test('hot extents, are reported as at most as many ranges as a welcome carries', () => {
  const hot = new HotExtents(SIZE);
  for (let extent = 0; extent < EXTENT_COUNT; extent += 3) hot.set(extent);
  const ranges = hot.ranges();
  expect(ranges).toHaveLength(MAX_TAIL_RANGES);
  const isCovered = (extent: number) =>
    ranges.some(({ start, end }) => start <= extent * E && extent * E < end);
  expect(hot.extents().filter((extent) => !isCovered(extent))).toEqual([]);
});

test('hot extents, read back as they were saved, one sector at a time', () => {
  const hot = hotOf(0, 13);
  const file = save(hot);
  expect(hot.takeDirtySectors()).toEqual([]);
  hot.set(EXTENT_COUNT - 1);
  const sectors = hot.takeDirtySectors();
  expect(sectors.map(({ offset }) => offset)).toEqual([HOT_SECTOR_BYTES]);
  sectors[0]!.bytes.copy(file, HOT_SECTOR_BYTES);
  hot.clear(0);
  save(hot, file);
  const again = new HotExtents(SIZE);
  expect(again.load(file)).toBe(0);
  expect(again.extents()).toEqual([13, EXTENT_COUNT - 1]);
  expect(again.takeDirtySectors()).toEqual([]);
});

test('hot extents, keep the bytes of format version 2: checksum, then bits from the lowest', () => {
  const { bytes } = hotOf(0, 10).takeDirtySectors()[0]!;
  expect(bytes).toHaveLength(HOT_SECTOR_BYTES);
  expect(bytes.toString('hex', 0, 8)).toBe('41a74145' + '01040000');
});

test('hot sector, counts as hot throughout, whichever byte is flipped', () => {
  const file = save(hotOf(3, SECTOR_EXTENTS));
  for (let at = 0; at < HOT_SECTOR_BYTES; at += 1) {
    const bad = Buffer.from(file);
    bad[at] = bad[at]! ^ 0x20;
    const hot = new HotExtents(SIZE);
    const found = [hot.load(bad), hot.count];
    if (found[0] === 1 && found[1] === SECTOR_EXTENTS + 1) continue;
    throw new Error(`flipped byte ${at}: damaged sectors and hot extents ${found}`);
  }
});

test('hot sector that was damaged, is whole again after the next save', () => {
  const file = Buffer.alloc(hotFileBytes(SIZE), 0xff);
  const hot = new HotExtents(SIZE);
  expect(hot.load(file)).toBe(2);
  const healed = new HotExtents(SIZE);
  expect(healed.load(save(hot, file))).toBe(0);
  expect(healed.count).toBe(EXTENT_COUNT);
});
