import { countQuickExits, restartDelayMs } from '../../../../orchestrator/plan/backoff.ts';
import { placeCopies } from '../../../../orchestrator/plan/placement.ts';
import { type Action, type ObservedProcess, plan } from '../../../../orchestrator/plan/plan.ts';
import { processesOf } from '../../../../orchestrator/plan/processes.ts';
import { makeRecord } from '../support/records.ts';

const CONTROLLER = 'default/demo controller';
const R1 = 'default/demo r1';
const R2 = 'default/demo r2';

function seen(key: string, changes: Partial<ObservedProcess> = {}): ObservedProcess {
  const role = key === CONTROLLER ? 'controller' : 'replica';
  return { key, role, state: 'ready', quickExits: 0, exitedAtMs: 0, ...changes };
}

function summarise(actions: readonly Action[]): string[] {
  return actions.map((action) => {
    if (action.kind === 'start') return `start ${action.process.key}`;
    return action.kind === 'stop' ? `stop ${action.key}` : 'erase';
  });
}

describe('plan', () => {
  test('starts replicas, then the controller, when nothing runs', () => {
    const { actions, wakeAtMs } = plan(makeRecord({}), [], 1_000);
    expect(summarise(actions)).toEqual([`start ${R1}`, `start ${R2}`, `start ${CONTROLLER}`]);
    expect(wakeAtMs).toBeUndefined();
  });

  test('does nothing when everything runs', () => {
    const observed = [seen(R1), seen(R2, { state: 'starting' }), seen(CONTROLLER)];
    expect(plan(makeRecord({}), observed, 1_000)).toEqual({ actions: [] });
  });

  test('B1 starts a process at once after its first exit', () => {
    const dead = seen(CONTROLLER, { state: 'down', quickExits: 1, exitedAtMs: 1_000 });
    const { actions } = plan(makeRecord({}), [seen(R1), seen(R2), dead], 1_000);
    expect(summarise(actions)).toEqual([`start ${CONTROLLER}`]);
  });

  test('waits before it starts a process that keeps exiting', () => {
    const dead = seen(R1, { state: 'down', quickExits: 3, exitedAtMs: 1_000 });
    const observed = [dead, seen(R2), seen(CONTROLLER)];
    expect(plan(makeRecord({}), observed, 1_150)).toEqual({ actions: [], wakeAtMs: 1_200 });
    expect(summarise(plan(makeRecord({}), observed, 1_200).actions)).toEqual([`start ${R1}`]);
  });

  test('waits for a stopping process before it starts it again', () => {
    const observed = [seen(R1, { state: 'stopping' }), seen(R2), seen(CONTROLLER)];
    expect(plan(makeRecord({}), observed, 0)).toEqual({ actions: [] });
  });

  test('stops a replica whose copy is no longer in the record', () => {
    const observed = [seen(R1), seen(R2), seen(CONTROLLER)];
    const { actions } = plan(makeRecord({ copyCount: 1 }), observed, 0);
    expect(summarise(actions)).toEqual([`stop ${R2}`]);
  });

  test.each<[string, ObservedProcess[], string[]]>([
    ['the controller first', [seen(R1), seen(CONTROLLER)], [`stop ${CONTROLLER}`]],
    [
      'nothing while the controller is stopping',
      [seen(R1), seen(CONTROLLER, { state: 'stopping' })],
      [],
    ],
    ['then the replicas', [seen(R1), seen(CONTROLLER, { state: 'down' })], [`stop ${R1}`]],
    ['then erases', [seen(R1, { state: 'down' })], ['erase']],
    ['erases what was never started', [], ['erase']],
  ])('stops a volume that is being deleted: %s', (_, observed, expected) => {
    const { actions } = plan(makeRecord({ isDeleting: true }), observed, 0);
    expect(summarise(actions)).toEqual(expected);
  });

  test('gives each process a loopback address of its own, by slot and node', () => {
    expect(processesOf(makeRecord({ slot: 3 })).map(({ host }) => host)).toEqual([
      '127.3.0.11',
      '127.3.0.12',
      '127.3.1.1',
    ]);
  });
});

test.each([
  [1, 0],
  [2, 100],
  [3, 200],
  [4, 400],
  [7, 3_200],
  [8, 5_000],
  [10_000, 5_000],
])('the delay after quick exit %i is %i ms', (quickExits, delayMs) => {
  expect(restartDelayMs(quickExits)).toBe(delayMs);
});

test('an exit counts as a first one again after 10 s of being up', () => {
  expect(countQuickExits(5, 9_999)).toBe(6);
  expect(countQuickExits(5, 10_000)).toBe(1);
});

describe('S8 placement', () => {
  const nodes = [
    { node: 'node1', copyCount: 2 },
    { node: 'node2', copyCount: 0 },
    { node: 'node3', copyCount: 1 },
    { node: 'node4', copyCount: 0 },
  ];

  test('takes different nodes, those with the fewest copies first, in order among equals', () => {
    expect(placeCopies(3, nodes)).toEqual(['node2', 'node4', 'node3']);
    expect(placeCopies(4, nodes)).toEqual(['node2', 'node4', 'node3', 'node1']);
  });

  test('S4 is limited by the number of nodes', () => {
    expect(() => placeCopies(5, nodes)).toThrow(
      'place 5 copies (replicas=4): limited by the number of nodes, expected at least 5, got 4',
    );
  });
});
