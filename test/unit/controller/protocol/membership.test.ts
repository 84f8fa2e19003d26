import {
  type Copy,
  decodeMembership,
  type Membership,
  makeInitialMembership,
  makeNewCopy,
  whyInvalidChange,
  whyInvalidPlacement,
} from '../../../../controller/protocol/membership.ts';

const GIB = 1024 ** 3;
const OWNER = { instanceId: 'i1', address: 'host:3260' };
const OTHER = { instanceId: 'i2', address: 'host:3261' };

/** Epoch 2, generation 3: one copy of each kind, and one that nobody has seen yet. */
const CURRENT: Membership = {
  ...{ version: 7, epoch: 2, controller: OWNER, generation: 3, losses: 1, sizeBytes: GIB },
  copies: {
    r1: copy({}),
    r2: copy({}),
    r3: copy({ state: 'syncing', generation: 2 }),
    r4: copy({ state: 'stale', generation: 2 }),
    r5: copy({ dataId: null, session: 0 }),
  },
};

function copy(changes: Partial<Copy>): Copy {
  return { node: 'n', dataId: 'd', state: 'in-sync', generation: 1, session: 5, ...changes };
}

function changed(change: Partial<Membership>, copies: Record<string, Partial<Copy>> = {}) {
  const next: Record<string, Copy> = { ...CURRENT.copies };
  for (const [replicaId, fields] of Object.entries(copies)) {
    next[replicaId] = { ...copy({}), ...next[replicaId], ...fields };
  }
  return { ...CURRENT, version: 8, copies: next, ...change };
}

const JOINED = { state: 'in-sync', generation: 4 } as const;
const LOST = { state: 'lost', generation: 0, session: 0 } as const;
const ANEW = { state: 'syncing', generation: 0 } as const;
const left = (generation: number) => ({ state: 'stale', generation }) as const;
const STEP = { generation: 4 };
const TAKEOVER = { epoch: 3, generation: 4, controller: OTHER };

describe('a change of the membership record by a controller', () => {
  test.each<[string, Membership]>([
    ['that changes nothing', changed({})],
    ['a copy leaves with what the generation before had', changed(STEP, { r1: left(3) })],
    ['a copy of which nothing is known is lost', changed(STEP, { r1: LOST })],
    ['a synced copy joins', changed(STEP, { r3: { state: 'in-sync', generation: 4 } })],
    ['one leaves while another joins', changed(STEP, { r1: left(3), r3: JOINED })],
    ['a copy begins to sync', changed({}, { r4: { state: 'syncing', session: 6 } })],
    ['a rolled-back copy begins anew', changed({}, { r4: { ...ANEW, session: 1 } })],
    ['another directory begins anew', changed({}, { r4: { ...ANEW, dataId: 'e', session: 1 } })],
    ['an in-sync copy is seen again', changed({}, { r1: { session: 6 } })],
    [
      'an in-sync copy is seen for the first time',
      changed({}, { r5: { dataId: 'e', session: 1 } }),
    ],
    ['the next epoch takes over', changed(TAKEOVER)],
    ['the same controller takes the next epoch', changed({ ...TAKEOVER, controller: OWNER })],
  ])('is taken: %s', (_case, next) => {
    expect(whyInvalidChange(CURRENT, next)).toBeUndefined();
  });

  test.each<[string, Membership, string | RegExp]>([
    ['an older version', changed({ version: 7 }), 'version: expected 8, got 7'],
    ['a version that skips one', changed({ version: 9 }), 'version: expected 8, got 9'],
    ['an older epoch', changed({ epoch: 1 }), 'epoch: expected 2 or 3, got 1'],
    ['an epoch that skips one', changed({ epoch: 4 }), 'epoch: expected 2 or 3, got 4'],
    ['an older generation', changed({ generation: 2 }), 'generation: expected 3 or 4, got 2'],
    [
      'a generation that skips one',
      changed({ generation: 5 }),
      'generation: expected 3 or 4, got 5',
    ],
    [
      'another controller in the same epoch',
      changed({ controller: OTHER }),
      'controller: expected i1 at host:3260, got i2 at host:3261',
    ],
    [
      'no controller in the same epoch',
      changed({ controller: null }),
      'controller: expected i1 at host:3260, got none',
    ],
    [
      'a takeover without a new generation',
      changed({ ...TAKEOVER, generation: 3 }),
      'generation: expected 4, got 3',
    ],
    [
      'a takeover by nobody',
      changed({ ...TAKEOVER, controller: null }),
      'controller: expected the one that takes over, got none',
    ],
    [
      'a takeover that changes a copy',
      changed(TAKEOVER, { r1: { session: 6 } }),
      /^copy r1: expected .*"session":5} at a takeover, got .*"session":6}$/,
    ],
    [
      'a takeover without a copy',
      changed({ ...TAKEOVER, copies: { r1: copy({}) } }),
      /^copy r2: expected .* at a takeover, got none$/,
    ],
    ['an added copy', changed({}, { r9: {} }), /^copies: expected r1 on n, .*, got .*r9 on n$/],
    [
      'a moved copy',
      changed({}, { r1: { node: 'm' } }),
      /^copies: expected r1 on n, .*got r1 on m/,
    ],
    ['a removed copy', changed({ copies: { r1: copy({}) } }), /^copies: .*, got r1 on n$/],
    [
      'another in-sync set in the same generation',
      changed({}, { r1: left(2) }),
      'generation: expected a new one, as the in-sync set changed',
    ],
    [
      'no in-sync copy',
      changed(STEP, { r1: left(3), r2: left(3), r5: { ...left(3), session: 0 } }),
      'copies: expected the last in-sync copy to stay so',
    ],
    [
      'a stale copy that joins without a sync',
      changed(STEP, { r4: JOINED }),
      'copy r4: state: expected syncing before in-sync, got stale',
    ],
    [
      'a copy that joins with another directory',
      changed(STEP, { r3: { ...JOINED, dataId: 'e' } }),
      'copy r3: data id: expected d, got e',
    ],
    [
      'an in-sync copy with another directory',
      changed({}, { r1: { dataId: 'e' } }),
      'copy r1: data id: expected d, got e',
    ],
    [
      'an in-sync copy from before its newest session',
      changed({}, { r1: { session: 4 } }),
      'copy r1: session: expected at least 5, got 4',
    ],
    [
      'a rolled-back copy that is said to have what it had',
      changed({}, { r4: { session: 4 } }),
      'copy r4: session: expected at least 5, got 4',
    ],
    [
      'another directory that is said to have what the old one had',
      changed({}, { r4: { dataId: 'e' } }),
      'copy r4: generation: expected at most 0, got 2',
    ],
    [
      'a copy that leaves with writes that it may lack',
      changed(STEP, { r1: left(4) }),
      'copy r1: generation: expected at most 3, got 4',
    ],
    [
      'a syncing copy that is said to have more than when it left',
      changed({}, { r3: { generation: 3 } }),
      'copy r3: generation: expected at most 2, got 3',
    ],
    ['a smaller volume', changed({ sizeBytes: GIB / 2 }), 'size: expected at least'],
    ['a loss that is forgotten', changed({ losses: 0 }), 'losses: expected 1 or 2, got 0'],
    [
      'a copy that is in-sync since a generation to come',
      changed(STEP, { r3: { ...JOINED, generation: 5 } }),
      'copy r3: generation: expected at most 4, got 5',
    ],
  ])('is refused: %s', (_case, next, reason) => {
    expect(whyInvalidChange(CURRENT, next)).toMatch(reason);
  });

  test('is refused while nobody holds the epoch', () => {
    const initial = makeInitialMembership([{ replicaId: 'r1', node: 'n' }], GIB);
    expect(whyInvalidChange(initial, { ...initial, version: 2 })).toMatch(
      /^controller: expected none/,
    );
  });

  test('is refused when a copy joins that was never seen', () => {
    const current = { ...CURRENT, copies: { r1: copy({}), r2: makeNewCopy('n') } };
    const next = { ...current, version: 8, generation: 4 };
    const copies = { ...next.copies, r2: { ...makeNewCopy('n'), ...JOINED } };
    expect(whyInvalidChange(current, { ...next, copies })).toBe(
      'copy r2: data id: expected one before it is in-sync, got null',
    );
  });
});

describe('a change of the membership record by the orchestrator', () => {
  const { r1: _r1, ...withoutR1 } = CURRENT.copies;
  const { r4: _r4, ...withoutR4 } = CURRENT.copies;

  test.each<[string, Membership]>([
    ['a new copy', changed({}, { r9: makeNewCopy('n9') })],
    ['a copy that is not in-sync goes', changed({ copies: withoutR4 })],
    ['one goes and one comes', changed({ copies: { ...withoutR4, r9: makeNewCopy('n') } })],
  ])('is taken: %s', (_case, next) => {
    expect(whyInvalidPlacement(CURRENT, next)).toBeUndefined();
  });

  test.each<[string, Membership, string | RegExp]>([
    ['another version', changed({ version: 7 }), 'version: expected 8, got 7'],
    ['another epoch', changed({ epoch: 3 }), 'epoch: expected 2, got 3'],
    ['another generation', changed(STEP), 'generation: expected 3, got 4'],
    ['another controller', changed({ controller: OTHER }), 'controller: expected i1'],
    [
      'an in-sync copy that goes',
      changed({ copies: withoutR1 }),
      'copy r1: expected it to stay, as it is in-sync, got it removed',
    ],
    ['a new copy that is in-sync', changed({}, { r9: copy({}) }), /^copy r9: expected .*syncing/],
    ['a copy in another state', changed({}, { r4: { state: 'lost' } }), /^copy r4: .*stale.*lost/],
  ])('is refused: %s', (_case, next, reason) => {
    expect(whyInvalidPlacement(CURRENT, next)).toMatch(reason);
  });
});

describe('membership decoder', () => {
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

  test('returns what was encoded', () => {
    const initial = makeInitialMembership([{ replicaId: 'r1', node: 'node-1' }], GIB);
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
    ['copies', { copies: Object.fromEntries(Array.from({ length: 13 }, (_, n) => [n, copy({})])) }],
    ['r9', { copies: { r9: null } }],
    ['state', { copies: { r9: { ...copy({}), state: 'good' } } }],
    ['dataId', { copies: { r9: { ...copy({}), dataId: 1 } } }],
    ['session', { copies: { r9: { ...copy({}), session: -1 } } }],
  ])('refuses a wrong %s', (field, change) => {
    expect(() => decodeMembership({ ...plain(CURRENT), ...change })).toThrow(field);
  });

  test.each([null, undefined, 7, 'text', []])('refuses %p', (value) => {
    expect(() => decodeMembership(value)).toThrow('membership');
  });
});
