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

  test('does the same again with the same seed', () => {
    const [one, other] = [runChaos(7), runChaos(7)].map(({ world, schedule }) => ({
      schedule,
      history: world.registry.history,
      notices: world.controllers.map(({ notices }) => notices),
    }));
    expect(one?.schedule.length).toBeGreaterThan(5);
    expect(one).toEqual(other);
  });
});
