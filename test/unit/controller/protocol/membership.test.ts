import {
  decodeMembership,
  type Membership,
  makeInitialMembership,
  whyInvalidChange,
} from '../../../../controller/protocol/membership.ts';
import { makeCopy, makeRecord } from '../support/copies.ts';

const CURRENT = makeRecord([{}, {}, { state: 'syncing' }]);
const OTHER = { instanceId: 'i2', address: 'host:3261' };
const NEXT: Membership = { ...CURRENT, version: 8 };
const withR1 = (state: 'stale' | 'in-sync') => ({ ...CURRENT.copies, r1: makeCopy({ state }) });

describe('a change of the membership record', () => {
  test.each<[string, Partial<Membership>]>([
    ['the same owner changes nothing else', {}],
    ['a copy leaves with a new generation', { generation: 4, copies: withR1('stale') }],
    ['the next epoch takes over', { epoch: 3, generation: 4, controller: OTHER }],
    ['the same controller takes the next epoch', { epoch: 3, generation: 4 }],
  ])('is taken: %s', (_case, change) => {
    expect(whyInvalidChange(CURRENT, { ...NEXT, ...change })).toBeUndefined();
  });

  test.each<[string, Partial<Membership>, string]>([
    ['of an older version', { version: 7 }, 'version'],
    ['of a version that skips one', { version: 9 }, 'version'],
    ['that turns the generation back', { generation: 2 }, 'generation'],
    ['that turns the epoch back', { epoch: 1 }, 'epoch'],
    ['that skips an epoch', { epoch: 4, controller: OTHER }, 'epoch'],
    ['by another controller in the same epoch', { controller: OTHER }, 'controller'],
    ['without a controller in the same epoch', { controller: null }, 'controller'],
    ['of the in-sync set in the same generation', { copies: withR1('stale') }, 'generation'],
    [
      'that leaves no copy in-sync',
      {
        generation: 4,
        copies: { r0: makeCopy({ state: 'stale' }), r2: makeCopy({ state: 'lost' }) },
      },
      'last in-sync',
    ],
  ])('is refused: %s', (_case, change, reason) => {
    expect(whyInvalidChange(CURRENT, { ...NEXT, ...change })).toContain(reason);
  });
});

describe('membership decoder', () => {
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

  test('returns what was encoded', () => {
    const initial = makeInitialMembership([{ replicaId: 'r1', node: 'node-1' }]);
    for (const record of [CURRENT, initial])
      expect(decodeMembership(plain(record))).toEqual(record);
  });

  test.each<[string, Record<string, unknown>]>([
    ['version', { version: 0 }],
    ['epoch', { epoch: -1 }],
    ['generation', { generation: 1.5 }],
    ['controller', { controller: 'i1' }],
    ['instanceId', { controller: { address: 'host:1' } }],
    ['copies', { copies: [] }],
    [
      'copies',
      { copies: Object.fromEntries(Array.from({ length: 13 }, (_, n) => [n, makeCopy()])) },
    ],
    ['r9', { copies: { r9: null } }],
    ['state', { copies: { r9: { ...makeCopy(), state: 'good' } } }],
    ['dataId', { copies: { r9: { ...makeCopy(), dataId: 1 } } }],
  ])('refuses a wrong %s', (field, change) => {
    expect(() => decodeMembership({ ...plain(CURRENT), ...change })).toThrow(field);
  });

  test.each([null, undefined, 7, 'text', []])('refuses %p', (value) => {
    expect(() => decodeMembership(value)).toThrow('membership');
  });
});
