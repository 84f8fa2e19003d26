import { planRanges, planWindow, wholeRegions } from '../../../../controller/volume/sync-plan.ts';
import { REGION_BYTES } from '../../../../replica/common/limits.ts';
import { STAMP } from '../../../../replica/protocol/stamps.ts';

const { NEVER, UNKNOWN } = STAMP;
const PRISTINE = { generation: 0, isPristine: true };
const ROLLED_BACK = { generation: 0, isPristine: false };
const LEFT_AT_3 = { generation: 3, isPristine: false };

function encode(stamps: readonly number[]): Buffer {
  const bytes = Buffer.alloc(stamps.length * 4);
  for (const [index, stamp] of stamps.entries()) bytes.writeUInt32LE(stamp, index * 4);
  return bytes;
}

/** Tasks as `[first region, number of regions, compared or copied]`. */
function plan(source: readonly number[], target: readonly number[], known = LEFT_AT_3) {
  const range = { start: 0, end: source.length * REGION_BYTES };
  return planWindow(range, { source: encode(source), target: encode(target) }, known).map(
    ({ start, end, isCompared }) => [
      start / REGION_BYTES,
      (end - start) / REGION_BYTES,
      isCompared ? 'compare' : 'copy',
    ],
  );
}

describe('sync of one region', () => {
  test.each([
    ['nothing', 'both never wrote', NEVER, NEVER, LEFT_AT_3],
    ['nothing', 'it was written before the target left', 3, 2, LEFT_AT_3],
    ['copy', 'it was written after the target left', 4, 3, LEFT_AT_3],
    ['copy', 'the source cannot tell when', UNKNOWN, 3, LEFT_AT_3],
    ['compare', 'neither can tell', UNKNOWN, UNKNOWN, LEFT_AT_3],
    ['compare', 'the target cannot tell what it has', 2, UNKNOWN, LEFT_AT_3],
    ['compare', 'an interrupted sync left equal stamps', 5, 5, LEFT_AT_3],
    ['copy', 'the target alone wrote since', 2, 5, LEFT_AT_3],
    ['copy', 'only the target ever wrote', NEVER, 2, LEFT_AT_3],
    ['copy', 'the target is new', 1, NEVER, PRISTINE],
    ['nothing', 'the target is new and this a hole', NEVER, NEVER, PRISTINE],
    ['compare', 'the disk was rolled back and both stamps are equal', 2, 2, ROLLED_BACK],
    ['compare', 'the disk was rolled back and both say never', NEVER, NEVER, ROLLED_BACK],
    ['copy', 'the disk was rolled back and the stamps differ', 2, 1, ROLLED_BACK],
  ] as const)('does %s when %s', (need, _, source, target, known) => {
    expect(plan([source], [target], known)).toEqual(need === 'nothing' ? [] : [[0, 1, need]]);
  });
});

describe('sync of a window', () => {
  test('copies region by region and compares neighbours together, as far as one piece goes', () => {
    expect(plan([4, 4, 3, 2, 2], [0, 0, 0, UNKNOWN, UNKNOWN])).toEqual([
      [0, 1, 'copy'],
      [1, 1, 'copy'],
      [3, 2, 'compare'],
    ]);
    const many = Array.from({ length: 20 }, () => UNKNOWN);
    expect(plan(many, many)).toEqual([
      [0, 16, 'compare'],
      [16, 4, 'compare'],
    ]);
  });

  test('ends with the volume, in the middle of a region', () => {
    const range = { start: 0, end: 4096 };
    const stamps = { source: encode([4]), target: encode([0]) };
    expect(planWindow(range, stamps, LEFT_AT_3)).toMatchObject([{ start: 0, end: 4096 }]);
  });
});

describe('ranges in doubt', () => {
  test('are widened to whole regions within the volume', () => {
    const sizeBytes = 2 * REGION_BYTES + 4096;
    expect(wholeRegions({ start: 5, end: 6 }, sizeBytes)).toEqual({ start: 0, end: REGION_BYTES });
    expect(wholeRegions({ start: 2 * REGION_BYTES, end: sizeBytes }, sizeBytes)).toEqual({
      start: 2 * REGION_BYTES,
      end: sizeBytes,
    });
  });

  test('are compared in pieces', () => {
    const tasks = planRanges([{ start: 0, end: 20 * REGION_BYTES }]);
    expect(tasks.map(({ start, end }) => (end - start) / REGION_BYTES)).toEqual([16, 4]);
    expect(tasks.every(({ isCompared }) => isCompared)).toBe(true);
  });
});
