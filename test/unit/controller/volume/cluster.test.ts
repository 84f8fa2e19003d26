import { runSeed } from '../../../sim/run.ts';

const SEED_COUNT = 200;

describe('cluster of one volume', () => {
  test(`behaves as one disk whatever breaks, with ${SEED_COUNT} seeds`, () => {
    const seeds = Array.from({ length: SEED_COUNT }, (_, index) => index + 1);
    const failures = seeds.flatMap((seed) => {
      const { failures: reasons, schedule } = runSeed(seed);
      const replay = `npm run sim -- --seed ${seed} --trace`;
      return reasons.length === 0 ? [] : [{ replay, reasons, schedule }];
    });
    expect(failures.slice(0, 3)).toEqual([]);
  }, 120_000);

  test('does the same again with the same seed', () => {
    const [one, other] = [7, 7].map((seed) => {
      const lines: string[] = [];
      const onLine = (line: string) => void lines.push(line);
      return { report: runSeed(seed, { onLine }), lines };
    });
    expect(one?.lines.length).toBeGreaterThan(1_000);
    expect(one).toEqual(other);
  });
});
