import { mergeRanges, overlaps } from '../../../../replica/common/ranges.ts';
import { seededRandom } from '../support/random.ts';

test('ranges, overlap, only when they share a byte', () => {
  expect(overlaps({ start: 0, end: 4 }, { start: 3, end: 5 })).toBe(true);
  expect(overlaps({ start: 0, end: 4 }, { start: 4, end: 5 })).toBe(false);
});

test('merged ranges, hold the same bytes, sorted and apart', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const ranges = Array.from({ length: 8 }, () => {
      const start = Math.floor(random() * 50);
      return { start, end: start + 1 + Math.floor(random() * 8) };
    });
    const merged = mergeRanges(ranges);
    const bytesOf = (list: typeof ranges, at: number) =>
      list.some((range) => range.start <= at && at < range.end);
    for (let at = 0; at < 60; at += 1) {
      expect({ seed, at, in: bytesOf(merged, at) }).toEqual({ seed, at, in: bytesOf(ranges, at) });
    }
    for (let index = 1; index < merged.length; index += 1) {
      expect(merged[index]!.start).toBeGreaterThan(merged[index - 1]!.end);
    }
  }
});
