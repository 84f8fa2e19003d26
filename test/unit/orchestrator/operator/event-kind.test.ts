import { makeInitialMembership, makeNewCopy } from '../../../../controller/protocol/membership.ts';
import { explainChange } from '../../../../orchestrator/model/explain.ts';
import { eventKindOf } from '../../../../orchestrator/operator/event-kind.ts';

describe('what is told of a membership record', () => {
  const initial = makeInitialMembership(
    ['n1', 'n2'].map((node, index) => ({ replicaId: `r${index + 1}`, node })),
    1024 ** 2,
  );
  const { r1, r2 } = initial.copies;
  if (r1 === undefined || r2 === undefined) throw new Error('two copies were asked for');
  const inSync = { ...initial, copies: { r1: { ...r1, state: 'in-sync' as const }, r2 } };
  const withState = (state: 'in-sync' | 'syncing' | 'stale' | 'lost') => ({
    ...inSync,
    copies: { ...inSync.copies, r2: { ...r2, state } },
  });
  const kinds = (before: typeof initial, after: typeof initial, leaving: string[] = []) =>
    explainChange(before, after, { wanted: 2, leaving })
      .map(eventKindOf)
      .map(({ type, reason }) => `${type} ${reason}`);

  test.each([
    ['a controller that begins', initial, { ...initial, epoch: 1 }, 'Normal ControllerStarted'],
    ['a copy in sync', withState('syncing'), withState('in-sync'), 'Normal CopyInSync'],
    ['a copy that syncs', withState('stale'), withState('syncing'), 'Normal CopySyncing'],
    ['a stale copy', withState('in-sync'), withState('stale'), 'Warning CopyStale'],
    ['a sync that stopped', withState('syncing'), withState('stale'), 'Warning CopyStale'],
    ['a lost copy', withState('in-sync'), withState('lost'), 'Warning CopyLost'],
    [
      'a new copy',
      inSync,
      { ...inSync, copies: { ...inSync.copies, r3: makeNewCopy('n3') } },
      'Normal CopyAdded',
    ],
    ['a removed copy', inSync, { ...inSync, copies: { r1 } }, 'Normal CopyRemoved'],
  ] as const)('has a word for %s', (_, before, after, expected) => {
    expect(kinds(before, after)).toContain(expected);
  });

  test('has a word for a copy that left as it should', () => {
    expect(kinds(withState('in-sync'), withState('stale'), ['r2'])).toEqual(['Normal CopyLeft']);
  });
});

test.each([
  ['controller exited (signal SIGKILL), restarting', 'Warning ControllerExited'],
  ['replica r1 on n1 exited (code 1: no space)', 'Warning ReplicaExited'],
  ['replica r1 on n1 ready at 10.0.0.1:5703', 'Normal ReplicaReady'],
  ['copy r1 waits for n1, which is down: it does not answer', 'Warning NodeDown'],
  ['no available node for another copy, 3 are wanted', 'Warning NoRoom'],
  [
    '/data/n1 is left behind, its node or its disk is away; remove it by hand',
    'Warning LeftBehind',
  ],
  ['replicas changed from 1 to 2', 'Normal Changed'],
])('%s is a %s', (message, expected) => {
  const { type, reason } = eventKindOf(message);
  expect(`${type} ${reason}`).toBe(expected);
});
