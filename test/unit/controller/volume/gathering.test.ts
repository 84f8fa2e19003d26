import { decideStart, whyForeign } from '../../../../controller/volume/gathering.ts';
import { makeEntries, makeWelcome, SIZE_BYTES, UNKNOWN } from '../support/copies.ts';

const decide = (given: Parameters<typeof makeEntries>[0], random = 0) => {
  const decision = decideStart(makeEntries(given), random);
  return (
    decision && {
      primary: decision.primary.replicaId,
      leaving: decision.leaving.map(({ replicaId }) => replicaId),
      tail: decision.tail,
    }
  );
};
const tailOf = (start: number, end: number) =>
  makeWelcome({}, { known: true, ranges: [{ start, end }] });

describe('start', () => {
  test('waits while no in-sync copy has come', () => {
    expect(decide([{ welcome: undefined }, { isForeign: true }])).toBeUndefined();
  });

  test.each([
    [0, 'r0'],
    [0.5, 'r1'],
    [0.99, 'r2'],
  ])('picks among equal primaries by chance: %d is %s', (random, primary) => {
    expect(decide([{}, {}, {}], random)).toEqual({ primary, leaving: [], tail: [] });
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
    expect(decide(given)).toEqual({ primary: 'r3', leaving: ['r0', 'r1', 'r2'], tail: [] });
  });

  test('leaves out a copy that restarted, beside one that never died', () => {
    const given = [{ welcome: makeWelcome({}, UNKNOWN) }, { welcome: tailOf(0, 8) }];
    expect(decide(given)).toMatchObject({ primary: 'r1', leaving: ['r0'] });
  });

  test('keeps one copy when all of them restarted or failed', () => {
    const restarted = { welcome: makeWelcome({}, UNKNOWN) };
    expect(decide([restarted, restarted], 0.9)).toMatchObject({ primary: 'r1', leaving: ['r0'] });
    expect(decide([{ hasFailed: true }])).toMatchObject({ primary: 'r0', leaving: [] });
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
