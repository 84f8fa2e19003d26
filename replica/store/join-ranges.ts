import type { ByteRange } from '../common/ranges.ts';

/**
 * At most `limit` ranges that cover all of `ranges`, by joining those that lie closest together.
 *
 * @param ranges sorted and apart from each other, as `mergeRanges` makes them
 */
export function joinNearest(ranges: readonly ByteRange[], limit: number): readonly ByteRange[] {
  if (ranges.length <= limit) return ranges;
  const gapBefore = (index: number) => ranges[index]!.start - ranges[index - 1]!.end;
  const byGap = Array.from({ length: ranges.length - 1 }, (_, index) => index + 1);
  byGap.sort((a, b) => gapBefore(a) - gapBefore(b));
  const closed = new Set(byGap.slice(0, ranges.length - limit));
  const joined: { start: number; end: number }[] = [];
  for (const [index, { start, end }] of ranges.entries()) {
    if (closed.has(index)) joined.at(-1)!.end = end;
    else joined.push({ start, end });
  }
  return joined;
}
