import type { FailurePolicy } from '../../../../controller/volume/availability.ts';
import {
  chooseSurvivor,
  decideStart,
  MAX_EQUALISED_BYTES,
  mayStart,
  whyForeign,
} from '../../../../controller/volume/gathering.ts';
import { makeEntries, makeWelcome, restarted, SIZE_BYTES } from '../support/copies.ts';

const decide = (given: Parameters<typeof makeEntries>[0], random = 0) => {
  const decision = decideStart(makeEntries(given), random);
  return (
    decision && {
      primary: decision.primary.replicaId,
      leaving: decision.leaving.map(({ replicaId }) => replicaId),
      tail: decision.tail,
      loss: decision.loss,
    }
  );
};
const tailOf = (start: number, end: number) => makeWelcome({ tail: [{ start, end }] });
const POLICY = { replicas: 1, failureMode: 'soft', failureTolerance: 1 } as const;
const ALWAYSON = { ...POLICY, failureMode: 'alwayson' } as const;
const LOST_POWER = { welcome: restarted('may-lack-writes', { start: 0, end: 8 }) };
const AWAY = { welcome: undefined };

describe('start', () => {
  test('waits while no in-sync copy has come', () => {
    expect(decide([{ welcome: undefined }, { isForeign: true }])).toBeUndefined();
  });

  test.each([
    [0, 'r0'],
    [0.5, 'r1'],
    [0.99, 'r2'],
  ])('picks among equal primaries by chance: %d is %s', (random, primary) => {
    expect(decide([{}, {}, {}], random)).toEqual({
      ...{ primary, leaving: [], tail: [], loss: 'none' },
    });
  });

  test('gathers what any of the copies may have half done', () => {
    const given = [
      { welcome: tailOf(0, 8) },
      { welcome: tailOf(4, 12) },
      { welcome: tailOf(20, 24) },
    ];
    expect(decide(given)?.tail).toEqual([
      { start: 0, end: 12 },
      { start: 20, end: 24 },
    ]);
  });

  test('goes on without copies that did not come, are foreign, or failed', () => {
    const given = [{ welcome: undefined }, { isForeign: true }, { hasFailed: true }, {}];
    expect(decide(given)).toMatchObject({ primary: 'r3', leaving: ['r0', 'r1', 'r2'], tail: [] });
  });

  test('I6: keeps a copy that restarted, makes its hot extents equal, and reads from another', () => {
    const killed = { welcome: restarted('killed', { start: 8, end: 16 }) };
    expect(decide([killed, { welcome: tailOf(0, 4) }])).toEqual({
      ...{ primary: 'r1', leaving: [], loss: 'none' },
      tail: [
        { start: 0, end: 4 },
        { start: 8, end: 16 },
      ],
    });
  });

  test('leaves a copy that restarted with very much to compare to a sync', () => {
    const much = { start: 0, end: MAX_EQUALISED_BYTES + 1 };
    const given = [{ welcome: restarted('killed', much) }, { welcome: tailOf(0, 4) }];
    expect(decide(given)).toMatchObject({
      ...{ primary: 'r1', leaving: ['r0'], tail: [{ start: 0, end: 4 }] },
    });
  });

  test('I13: reads from a copy that did not lose power, whatever chance says', () => {
    const killed = { welcome: restarted('killed') };
    expect(decide([LOST_POWER, killed, LOST_POWER], 0)).toMatchObject({ primary: 'r1' });
    expect(decide([LOST_POWER, killed, {}], 0)).toMatchObject({ primary: 'r2', loss: 'none' });
  });

  test('I13: says so when every copy lost power, or the one that did not is away', () => {
    expect(decide([LOST_POWER, LOST_POWER])?.loss).toBe('all-lost-power');
    expect(decide([LOST_POWER, { isForeign: true, ...AWAY }])?.loss).toBe('all-lost-power');
    expect(decide([LOST_POWER, AWAY])?.loss).toBe('whole-copy-away');
  });

  test('keeps one that failed when there is no other', () => {
    expect(decide([{ hasFailed: true }])).toMatchObject({ primary: 'r0', leaving: [] });
  });
});

describe('start without some copies', () => {
  const may = (given: Parameters<typeof makeEntries>[0], policy = POLICY as FailurePolicy) => ({
    atOnce: mayStart(makeEntries(given), policy, false),
    later: mayStart(makeEntries(given), policy, true),
  });

  test('waits for a while, then goes on if the mode allows it', () => {
    expect(may([{}, {}])).toEqual({ atOnce: true, later: true });
    expect(may([{}, AWAY])).toEqual({ atOnce: false, later: true });
    expect(may([{}, AWAY], { ...POLICY, failureMode: 'hard' }).later).toBe(false);
    expect(may([AWAY, AWAY], ALWAYSON).later).toBe(false);
  });

  test('I13: waits for the copy that did not lose power, except in alwayson', () => {
    expect(may([LOST_POWER, AWAY])).toEqual({ atOnce: false, later: false });
    expect(may([LOST_POWER, AWAY], ALWAYSON)).toEqual({ atOnce: false, later: true });
    expect(may([LOST_POWER, LOST_POWER])).toEqual({ atOnce: true, later: true });
  });
});

describe('copy that goes on after all were lost', () => {
  const choose = (given: Parameters<typeof makeEntries>[0], policy = POLICY as FailurePolicy) => {
    const choice = chooseSurvivor(makeEntries(given), policy);
    return choice && [choice.survivor.replicaId, choice.loss];
  };

  test('is the first to return that has all it ever answered (I13)', () => {
    expect(choose([AWAY, AWAY])).toBeUndefined();
    expect(choose([AWAY, { welcome: restarted('killed') }])).toEqual(['r1', 'none']);
    expect(choose([LOST_POWER, {}])).toEqual(['r1', 'none']);
  });

  test('lost power only when all did, or in alwayson', () => {
    expect(choose([LOST_POWER, AWAY])).toBeUndefined();
    expect(choose([LOST_POWER, AWAY], ALWAYSON)).toEqual(['r0', 'whole-copy-away']);
    expect(choose([LOST_POWER, LOST_POWER])).toEqual(['r0', 'all-lost-power']);
  });
});

describe('copy that came', () => {
  const why = (given: Parameters<typeof makeEntries>[0][0]) =>
    whyForeign(makeEntries([given])[0]!, SIZE_BYTES);

  test('is as the record lists it', () => {
    expect(why({})).toBeUndefined();
    expect(why({ welcome: undefined })).toBeUndefined();
    const welcome = makeWelcome({ isPristine: true });
    expect(why({ copy: { dataId: null }, welcome })).toBeUndefined();
  });

  test('is foreign when its directory is another, was used before, or is too small', () => {
    expect(why({ welcome: makeWelcome({ dataId: 'other' }) })).toContain('other');
    expect(why({ copy: { dataId: null } })).toContain('written to');
    expect(why({ welcome: makeWelcome({ sizeBytes: 4096 }) })).toContain('4096');
  });

  test('may have any directory when it is to be synced anyway', () => {
    const welcome = makeWelcome({ dataId: 'other' });
    expect(why({ copy: { state: 'stale' }, welcome })).toBeUndefined();
  });
});
