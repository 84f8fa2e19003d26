import { runChaos } from '../../../support/cluster/chaos.ts';

const SEED_COUNT = Number(process.env.KEELSON_SEEDS ?? 200);
/** Set to one seed to see that run alone, with what was done to the cluster. */
const ONLY_SEED = process.env.KEELSON_SEED;

describe('cluster of one volume', () => {
  test(`behaves as one disk whatever breaks, with ${SEED_COUNT} seeds`, () => {
    const seeds =
      ONLY_SEED === undefined
        ? Array.from({ length: SEED_COUNT }, (_, index) => index + 1)
        : [Number(ONLY_SEED)];
    const failures = seeds.flatMap((seed) => {
      const { faults, schedule } = runChaos(seed);
      return faults.length === 0 ? [] : [{ seed, faults: faults.slice(0, 5), schedule }];
    });
    expect(failures.slice(0, 3)).toEqual([]);
  }, 120_000);
});
