import { mergeRanges } from '../../../../replica/common/ranges.ts';
import { joinNearest } from '../../../../replica/store/join-ranges.ts';
import { seededRandom } from '../support/random.ts';

test('ranges, are left alone, when they are few enough', () => {
  const ranges = [
    { start: 0, end: 1 },
    { start: 5, end: 6 },
  ];
  expect(joinNearest(ranges, 2)).toBe(ranges);
});

test('ranges, are joined across the smallest gaps, when they are too many', () => {
  const ranges = [0, 10, 14, 30, 33].map((start) => ({ start, end: start + 2 }));
  expect(joinNearest(ranges, 3)).toEqual([
    { start: 0, end: 2 },
    { start: 10, end: 16 },
    { start: 30, end: 35 },
  ]);
  expect(joinNearest(ranges, 1)).toEqual([{ start: 0, end: 35 }]);
});

test('ranges, still cover every byte and stay apart, however they lie', () => {
  const random = seededRandom(7);
  for (let round = 0; round < 200; round += 1) {
    const ranges = mergeRanges(
      Array.from({ length: 1 + Math.floor(random() * 40) }, () => {
        const start = Math.floor(random() * 1000);
        return { start, end: start + 1 + Math.floor(random() * 10) };
      }),
    );
    const limit = 1 + Math.floor(random() * 10);
    const joined = joinNearest(ranges, limit);
    expect(joined).toHaveLength(Math.min(limit, ranges.length));
    expect(mergeRanges([...joined, ...ranges])).toEqual(joined);
  }
});
