import { whyInvalidChange } from '../../../../controller/protocol/membership.ts';
import type { CopyEntry } from '../../../../controller/volume/copies.ts';
import { nextRecord } from '../../../../controller/volume/record-change.ts';
import { makeEntries, makeRecord, makeWelcome } from '../support/copies.ts';

type Given = Parameters<typeof makeEntries>[0];

function change(given: Given, mayJoin = true) {
  const entries: readonly CopyEntry[] = makeEntries(given);
  const record = makeRecord(given.map(({ copy }) => copy ?? {}));
  const next = nextRecord(record, entries, { mayJoin, losses: record.losses, sizeBytes: 0 });
  if (next !== undefined) {
    expect(next.version).toBe(record.version + 1);
    expect(whyInvalidChange(record, next)).toBeUndefined();
  }
  return next;
}

describe('record', () => {
  test('stays as it is while every copy is as it says', () => {
    expect(change([{}, {}])).toBeUndefined();
    expect(change([{}, { copy: { state: 'stale' }, welcome: undefined }])).toBeUndefined();
    expect(change([{}, { copy: { state: 'syncing' }, joining: 'flushing' }])).toBeUndefined();
  });

  test('strikes off a copy that must leave, with a new generation', () => {
    expect(change([{}, { mustLeave: true }])).toMatchObject({
      generation: 4,
      copies: { r0: { state: 'in-sync' }, r1: { state: 'stale', generation: 3 } },
    });
  });

  test('calls a copy lost when its directory is another one', () => {
    const next = change([{}, { mustLeave: true, isForeign: true }]);
    expect(next?.copies.r1).toMatchObject({ state: 'lost', generation: 0 });
  });

  test('never strikes off the last in-sync copies, whatever happened to them (I12)', () => {
    const all = [{ mustLeave: true }, { mustLeave: true, isForeign: true }];
    expect(change([...all, { copy: { state: 'syncing' } }])).toBeUndefined();
  });

  test('learns the data id of a new copy, in the same generation', () => {
    expect(change([{ copy: { dataId: null } }])).toMatchObject({
      generation: 3,
      copies: { r0: { state: 'in-sync', dataId: 'd' } },
    });
  });

  test.each(['stale', 'lost'] as const)(
    'lets a %s copy sync once the volume is active',
    (state) => {
      const given: Given = [{}, { copy: { state }, welcome: makeWelcome({ dataId: 'new' }) }];
      expect(change(given, false)).toBeUndefined();
      expect(change(given)).toMatchObject({
        generation: 3,
        copies: { r1: { state: 'syncing', dataId: 'new', generation: 0 } },
      });
    },
  );

  test('takes the new data id of a syncing copy that came back with another directory', () => {
    const welcome = makeWelcome({ dataId: 'new' });
    const next = change([{}, { copy: { state: 'syncing' }, welcome }]);
    expect(next?.copies.r1).toMatchObject({ state: 'syncing', dataId: 'new' });
  });

  test('S41: lets a copy that comes back sync from the generation at which it left', () => {
    const next = change([{}, { copy: { state: 'stale', generation: 2 } }]);
    expect(next?.copies.r1).toMatchObject({ state: 'syncing', generation: 2 });
  });

  test('I5: says that nothing is known of a rolled-back copy before it is connected to', () => {
    const copy = { state: 'stale', generation: 2, session: 5 } as const;
    const unknown = { welcome: undefined, hasUnknownContent: true };
    expect(change([{}, { copy, ...unknown }], false)?.copies.r1).toMatchObject({
      ...{ state: 'stale', generation: 0, session: 5 },
    });
    const nothing = { ...copy, generation: 0 };
    const back = { welcome: makeWelcome({ session: 3 }), hasUnknownContent: true };
    expect(change([{}, { copy: nothing, ...back }])?.copies.r1).toMatchObject({
      ...{ state: 'syncing', generation: 0, session: 3 },
    });
  });

  test('I5: repeats the sessions of its copies once the volume is active', () => {
    const given: Given = [{ welcome: makeWelcome({ session: 4 }) }, {}];
    expect(change(given, false)).toBeUndefined();
    expect(change(given)).toMatchObject({ generation: 3, copies: { r0: { session: 4 } } });
  });

  test('does not sync a copy that the orchestrator wants gone', () => {
    expect(change([{}, { copy: { state: 'stale' }, isUnwanted: true }])).toBeUndefined();
  });

  test('takes a durable copy in while another leaves, in one change', () => {
    const next = change([
      {},
      { mustLeave: true },
      { copy: { state: 'syncing' }, joining: 'durable' },
    ]);
    expect(next).toMatchObject({
      generation: 4,
      copies: { r1: { state: 'stale' }, r2: { state: 'in-sync', generation: 4 } },
    });
  });
});
