import {
  type Copy,
  type CopyState,
  type Membership,
  makeInitialMembership,
} from '../../../../controller/protocol/membership.ts';
import { explainChange } from '../../../../orchestrator/model/explain.ts';

const initial = makeInitialMembership(
  [
    { replicaId: 'r1', node: 'node1' },
    { replicaId: 'r2', node: 'node2' },
    { replicaId: 'r3', node: 'node3' },
  ],
  1024 ** 3,
);

function withState(membership: Membership, replicaId: string, state: CopyState): Membership {
  return withCopy(membership, replicaId, { state });
}

function withCopy(membership: Membership, replicaId: string, change: Partial<Copy>): Membership {
  const copy = membership.copies[replicaId];
  if (copy === undefined) throw new Error(`no ${replicaId}`);
  return { ...membership, copies: { ...membership.copies, [replicaId]: { ...copy, ...change } } };
}

const lost = withState(initial, 'r2', 'lost');
const syncing = withState(initial, 'r2', 'syncing');
const joined = withCopy(initial, 'r2', { generation: 4 });

test.each<[string, Membership, Membership, string[]]>([
  ['the first controller', initial, { ...initial, epoch: 1 }, ['controller started (epoch 1)']],
  [
    'another controller',
    { ...initial, epoch: 6 },
    { ...initial, epoch: 7 },
    ['controller restarted (epoch 7)'],
  ],
  ['a lost copy', initial, lost, ['copy r2 on node2 lost, degraded (2 of 3 copies in sync)']],
  ['a syncing copy', lost, syncing, ['copy r2 on node2 is syncing']],
  [
    'a new copy in sync',
    syncing,
    initial,
    ['copy r2 on node2 is in sync, healthy (3 of 3 copies in sync)'],
  ],
  [
    'a copy in sync again',
    withState(joined, 'r2', 'syncing'),
    joined,
    ['copy r2 on node2 is in sync again, healthy (3 of 3 copies in sync)'],
  ],
  [
    'a copy that was to leave',
    initial,
    withState(initial, 'r3', 'stale'),
    ['copy r3 on node3 has left, degraded (2 of 3 copies in sync)'],
  ],
  ['nothing that matters', initial, { ...initial, version: 2, generation: 1 }, []],
])('a membership change is told in plain words: %s', (_, before, after, expected) => {
  expect(explainChange(before, after, { wanted: 3, leaving: ['r3'] })).toEqual(expected);
});
