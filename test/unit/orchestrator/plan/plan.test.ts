import { showEndpoint } from '../../../../orchestrator/model/address-plan.ts';
import type { VolumeRecord } from '../../../../orchestrator/model/volume.ts';
import type { Action } from '../../../../orchestrator/plan/actions.ts';
import {
  countQuickExits,
  isFailing,
  restartDelayMs,
} from '../../../../orchestrator/plan/backoff.ts';
import type { Observed, ObservedProcess } from '../../../../orchestrator/plan/observed.ts';
import { checkRoom, chooseNodes } from '../../../../orchestrator/plan/placement.ts';
import { plan } from '../../../../orchestrator/plan/plan.ts';
import { processesOf } from '../../../../orchestrator/plan/processes.ts';
import { endpointOf } from '../../../../orchestrator/platforms/process/process-platform.ts';
import { makeRecord } from '../support/records.ts';

const CONTROLLER = 'default/demo controller';
const R1 = 'default/demo r1';
const R2 = 'default/demo r2';

function seen(key: string, changes: Partial<ObservedProcess> = {}): ObservedProcess {
  const role = key === CONTROLLER ? 'controller' : 'replica';
  const up = { state: 'ready', quickExits: 0, exitedAtMs: 0, failingSinceMs: undefined } as const;
  return { key, role, ...up, ...changes };
}

function planAt(
  desired: VolumeRecord,
  processes: readonly ObservedProcess[],
  nowMs: number,
  change: Partial<Observed> = {},
) {
  const nodes = ['node1', 'node2'].map((name) => ({
    ...{ name, down: undefined, isCordoned: false, isDraining: false, copyCount: 1 },
  }));
  const observed = { processes, nodes, copies: undefined, ...change };
  const { actions, wakeAtMs } = plan(desired, observed, { nowMs, replaceAfterMs: 60_000 });
  return { actions: summarise(actions), ...(wakeAtMs === undefined ? {} : { wakeAtMs }) };
}

function summarise(actions: readonly Action[]): string[] {
  return actions.map((action) => {
    if (action.kind === 'start') return `start ${action.process.key}`;
    return action.kind === 'stop' ? `stop ${action.key}` : action.kind;
  });
}

describe('plan', () => {
  test('starts replicas, then the controller, when nothing runs', () => {
    expect(planAt(makeRecord({}), [], 1_000)).toEqual({
      actions: [`start ${R1}`, `start ${R2}`, `start ${CONTROLLER}`],
    });
  });

  test('does nothing when everything runs', () => {
    const observed = [seen(R1), seen(R2, { state: 'starting' }), seen(CONTROLLER)];
    expect(planAt(makeRecord({}), observed, 1_000)).toEqual({ actions: [] });
  });

  test('B1 starts a process at once after its first exit', () => {
    const dead = seen(CONTROLLER, { state: 'down', quickExits: 1, exitedAtMs: 1_000 });
    expect(planAt(makeRecord({}), [seen(R1), seen(R2), dead], 1_000)).toEqual({
      actions: [`start ${CONTROLLER}`],
    });
  });

  test('waits before it starts a process that keeps exiting', () => {
    const dead = seen(R1, { state: 'down', quickExits: 3, exitedAtMs: 1_000 });
    const observed = [dead, seen(R2), seen(CONTROLLER)];
    expect(planAt(makeRecord({}), observed, 1_150)).toEqual({ actions: [], wakeAtMs: 1_200 });
    expect(planAt(makeRecord({}), observed, 1_200)).toEqual({ actions: [`start ${R1}`] });
  });

  test('starts a controller on any node that is up, and none while all are down', () => {
    const nodesWith = (...reasons: (string | undefined)[]) =>
      reasons.map((reason, index) => ({
        ...{ name: `node${index + 1}`, isCordoned: false, isDraining: false, copyCount: 1 },
        down: reason === undefined ? undefined : { sinceMs: 1_000, reason },
      }));
    const dead = [seen(R1), seen(R2), seen(CONTROLLER, { state: 'down' })];
    const planWith = (nodes: Observed['nodes']) => planAt(makeRecord({}), dead, 1_000, { nodes });
    expect(planWith(nodesWith('away', 'away')).actions).toEqual([]);
    expect(planWith(nodesWith('away', 'away', undefined)).actions).toEqual([`start ${CONTROLLER}`]);
  });

  test('waits for a stopping process before it starts it again', () => {
    const observed = [seen(R1, { state: 'stopping' }), seen(R2), seen(CONTROLLER)];
    expect(planAt(makeRecord({}), observed, 0)).toEqual({ actions: [] });
  });

  test('erases a removed copy when its process has ended, not before', () => {
    const record = makeRecord({ copyCount: 1, removed: [{ replicaId: 'r2', node: 'node2' }] });
    const up = [seen(R1), seen(CONTROLLER)];
    const stopping = [...up, seen(R2, { state: 'stopping' })];
    expect(planAt(record, stopping, 0)).toEqual({ actions: [] });
    const down = [...up, seen(R2, { state: 'down' })];
    expect(planAt(record, down, 0)).toEqual({ actions: ['erase-copy'], wakeAtMs: 1_000 });
  });

  test('stops a replica whose copy is no longer in the record', () => {
    const observed = [seen(R1), seen(R2), seen(CONTROLLER)];
    expect(planAt(makeRecord({ copyCount: 1 }), observed, 0).actions).toEqual([`stop ${R2}`]);
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
    expect(planAt(makeRecord({ isDeleting: true }), observed, 0).actions).toEqual(expected);
  });

  test('gives each process a loopback address of its own, by slot and node', () => {
    const processes = processesOf(makeRecord({ slot: 3 }));
    expect(processes.map((process) => showEndpoint(endpointOf(process)))).toEqual([
      '127.3.0.11:5703',
      '127.3.0.12:5703',
      '127.3.1.1:3260',
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

test('a process is failing from its second early exit in a row, until it stayed up for 10 s', () => {
  const process = { quickExits: 2, state: 'ready', upMs: 9_999 } as const;
  expect(isFailing(process)).toBe(true);
  expect(isFailing({ ...process, upMs: 10_000 })).toBe(false);
  expect(isFailing({ ...process, upMs: 10_000, state: 'down' })).toBe(true);
  expect(isFailing({ ...process, quickExits: 1 })).toBe(false);
});

describe('S8 placement', () => {
  const nodes = [
    { name: 'node1', copyCount: 2 },
    { name: 'node2', copyCount: 0 },
    { name: 'node3', copyCount: 1 },
    { name: 'node4', copyCount: 0 },
  ];

  test('takes different nodes, those with the fewest copies first, in order among equals', () => {
    expect(chooseNodes(3, nodes, new Set())).toEqual(['node2', 'node4', 'node3']);
    expect(chooseNodes(5, nodes, new Set(['node4']))).toEqual(['node2', 'node3', 'node1']);
  });

  test('S4 is limited by the number of nodes', () => {
    checkRoom(3, nodes);
    expect(() => checkRoom(4, nodes)).toThrow(
      'place 5 copies (replicas=4): limited by the number of nodes, expected at least 5, got 4',
    );
  });

  test('counts no node that takes no copies, unless it has one of the volume already', () => {
    const [first, ...rest] = nodes;
    const withDown = [...rest, { name: 'node1', copyCount: 2, refusal: 'is down' }];
    expect(first?.name).toBe('node1');
    expect(chooseNodes(4, withDown, new Set())).toEqual(['node2', 'node4', 'node3']);
    expect(() => checkRoom(3, withDown)).toThrow('expected at least 4, got 3, node1 is down');
    checkRoom(3, withDown, new Set(['node1']));
  });
});
