import { BLOCK_BYTES, REGION_BYTES } from '../../../../replica/common/limits.ts';
import { STAMP } from '../../../../replica/protocol/stamps.ts';
import {
  REGION_PAGE_BYTES,
  RegionMap,
  regionFileBytes,
} from '../../../../replica/store/region-map.ts';

const R = REGION_BYTES;
const { UNKNOWN } = STAMP;
const PAGE_REGIONS = 1022;
/** Two pages, the second of which holds two regions; the last region is one block. */
const SIZE = PAGE_REGIONS * R + R + BLOCK_BYTES;

/** The file after all that is dirty was saved into it. */
function save(map: RegionMap, file: Buffer = Buffer.alloc(regionFileBytes(SIZE))): Buffer {
  for (const { offset, bytes } of map.takeDirtyPages()) bytes.copy(file, offset);
  return file;
}

function load(file: Buffer): { map: RegionMap; damagedCount: number } {
  const map = new RegionMap(SIZE);
  return { map, damagedCount: map.load(0, file) };
}

test('stamps, rise in every region that a write touches, and never fall by one', () => {
  const map = new RegionMap(SIZE);
  expect(map.stampsOf(0, 3 * R)).toEqual([0, 0, 0]);
  map.raise(R - 1, R + 1, 7);
  map.raise(R, R + 1, 5);
  map.raise(2 * R, 2 * R + 1, 9);
  expect(map.stampsOf(0, 4 * R)).toEqual([7, 7, 9, 0]);
  expect(map.newest(0, 2 * R)).toBe(7);
  expect(map.newest(R, 2 * R + 1)).toBe(9);
  expect(map.newest(3 * R, 4 * R)).toBe(STAMP.NEVER);
});

test('stamps, stay unknown under writes, until a whole region is taken from another copy', () => {
  const map = new RegionMap(SIZE);
  map.raise(0, R, 3);
  map.markUnknown(R - 1, R + 1);
  map.raise(0, 2 * R, 8);
  expect(map.stampsOf(0, 2 * R)).toEqual([UNKNOWN, UNKNOWN]);
  expect(map.newest(0, 3 * R)).toBe(UNKNOWN);
  map.assign(0, R, 2);
  expect(map.stampsOf(0, 2 * R)).toEqual([2, UNKNOWN]);
});

test('stamps, are refused as a bug of ours, when they are no generation or lie beyond the volume', () => {
  const map = new RegionMap(SIZE);
  for (const generation of [0, UNKNOWN]) {
    expect(() => map.raise(0, 1, generation)).toThrow('a generation is a stamp');
    expect(() => map.assign(0, R, generation)).toThrow('a generation is a stamp');
  }
  expect(() => new RegionMap(R).load(1, Buffer.alloc(REGION_PAGE_BYTES, 1))).toThrow('this volume');
});

test('region map, reads back what was saved, up to the short last region', () => {
  const map = new RegionMap(SIZE);
  map.raise(0, 1, 1);
  map.raise((PAGE_REGIONS - 1) * R, PAGE_REGIONS * R + 1, 0xffff_fffe);
  map.markUnknown(SIZE - 1, SIZE);
  const { map: again, damagedCount } = load(save(map));
  expect(damagedCount).toBe(0);
  expect(again.stampsOf(0, SIZE)).toEqual(map.stampsOf(0, SIZE));
  expect(again.takeDirtyPages()).toEqual([]);
});

test('region map, hands out each page that changed, once and in file order', () => {
  const map = new RegionMap(SIZE);
  map.raise(PAGE_REGIONS * R, SIZE, 4);
  map.raise(0, 2 * R, 4);
  const pages = map.takeDirtyPages();
  expect(pages.map(({ offset }) => offset)).toEqual([0, REGION_PAGE_BYTES]);
  expect(map.takeDirtyPages()).toEqual([]);
  map.raise(0, R, 3); // older: nothing changes
  expect(map.takeDirtyPages()).toEqual([]);
  const before = Buffer.from(pages[0]!.bytes);
  map.assign(0, R, 1);
  expect(map.takeDirtyPages()).toHaveLength(1);
  expect(pages[0]!.bytes).toEqual(before);
});

test('region map, keeps the bytes of format version 2: checksum, reserved, stamps', () => {
  const map = new RegionMap(SIZE);
  map.raise(R, 2 * R, 0x01020304);
  const { bytes } = map.takeDirtyPages()[0]!;
  expect(bytes.toString('hex', 0, 20)).toBe(
    'eb8ac746' + '00000000' + '00000000' + '04030201' + '00000000',
  );
});

test('region page, is unknown throughout and written anew, whichever byte is flipped', () => {
  const map = new RegionMap(SIZE);
  map.raise(0, SIZE, 6);
  const file = save(map);
  for (let at = 0; at < REGION_PAGE_BYTES; at += 1) {
    const bad = Buffer.from(file);
    bad[at] = bad[at]! ^ 0x08;
    const { map: found, damagedCount } = load(bad);
    const isUnknown = found.stampsOf(0, PAGE_REGIONS * R).every((stamp) => stamp === UNKNOWN);
    if (damagedCount !== 1 || !isUnknown) throw new Error(`flipped byte ${at} went unseen`);
  }
  const bad = Buffer.from(file);
  bad[REGION_PAGE_BYTES + 9] = 1;
  const { map: found } = load(bad);
  expect(found.stampsOf(0, R)).toEqual([6]); // the other page is believed
  expect(found.stampsOf(PAGE_REGIONS * R, SIZE)).toEqual([UNKNOWN, UNKNOWN]);
  expect(load(save(found, bad))).toMatchObject({ damagedCount: 0 });
});

test('region page, is unknown, when it is torn between two versions of itself', () => {
  const map = new RegionMap(SIZE);
  map.raise(0, R, 1);
  const old = save(map);
  map.raise(0, PAGE_REGIONS * R, 2);
  const torn = save(map, Buffer.from(old));
  old.copy(torn, 512, 512, REGION_PAGE_BYTES);
  expect(load(torn).map.newest(0, R)).toBe(UNKNOWN);
});
