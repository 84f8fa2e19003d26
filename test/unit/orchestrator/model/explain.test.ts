import {
  type CopyState,
  type Membership,
  makeInitialMembership,
} from '../../../../controller/protocol/membership.ts';
import { explainChange } from '../../../../orchestrator/model/explain.ts';

const initial = makeInitialMembership([
  { replicaId: 'r1', node: 'node1' },
  { replicaId: 'r2', node: 'node2' },
  { replicaId: 'r3', node: 'node3' },
]);

function withState(membership: Membership, replicaId: string, state: CopyState): Membership {
  const copy = membership.copies[replicaId];
  if (copy === undefined) throw new Error(`no ${replicaId}`);
  return { ...membership, copies: { ...membership.copies, [replicaId]: { ...copy, state } } };
}

const lost = withState(initial, 'r2', 'lost');
const syncing = withState(initial, 'r2', 'syncing');

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
    'a copy in sync again',
    syncing,
    initial,
    ['copy r2 on node2 is in sync again, healthy (3 of 3 copies in sync)'],
  ],
  ['nothing that matters', initial, { ...initial, version: 2, generation: 1 }, []],
])('a membership change is told in plain words: %s', (_, before, after, expected) => {
  expect(explainChange(before, after, 3)).toEqual(expected);
});
