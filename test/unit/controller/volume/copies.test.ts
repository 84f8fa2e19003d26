import { Copies } from '../../../../controller/volume/copies.ts';
import { makeCopy, makeRecord, makeWelcome } from '../support/copies.ts';

describe('copies', () => {
  test('take in a copy that the record lists, at a position that is free', () => {
    const copies = new Copies(makeRecord([{}, { state: 'stale' }]));
    copies.remove(copies.entries[1]!);
    expect(copies.at(1)).toBeUndefined();
    const record = makeRecord([{}]);
    const r7 = makeCopy({ state: 'syncing' });
    copies.adopt({ ...record, copies: { ...record.copies, r7 } });
    expect(copies.at(1)).toMatchObject({ replicaId: 'r7', bit: 2, welcome: undefined });
    expect(copies.missingIn(record).map(({ replicaId }) => replicaId)).toEqual(['r7']);
  });

  test('tell which of them left the in-sync set by a change', () => {
    const copies = new Copies(makeRecord([{}, {}, {}]));
    expect(copies.adopt(makeRecord([{}, { state: 'stale' }, { state: 'lost' }]))).toBe(0b110);
    expect(copies.adopt(makeRecord([{}, { state: 'syncing' }, { state: 'lost' }]))).toBe(0);
  });

  test('I1: count a copy that is on its way in as required, before it may be read from', () => {
    const copies = new Copies(makeRecord([{}, { state: 'syncing' }]));
    for (const entry of copies.entries) entry.welcome = makeWelcome();
    Object.assign(copies.entries[1]!, { isReceiving: true, joining: 'flushing' });
    copies.recount();
    expect(copies).toMatchObject({ required: 0b11, receiving: 0b11, usable: 0b01 });
  });

  test('learn where copies serve and which are not wanted any more', () => {
    const copies = new Copies(makeRecord([{}, {}]));
    const addresses = { r0: { host: 'a', port: 1 } };
    const registration = { addresses, leaving: ['r1'], goneInstances: [], chap: null };
    const volume = {} as never; // not looked at
    copies.learn({ ...registration, revision: 1, volume, membership: makeRecord([{}, {}]) });
    expect(copies.entries).toMatchObject([
      { address: addresses.r0, isUnwanted: false },
      { address: undefined, isUnwanted: true },
    ]);
  });
});
