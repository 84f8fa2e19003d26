import type { Deployment } from '../../../../../orchestrator/kubernetes/objects.ts';
import {
  type ControllerProcess,
  processesOf,
  type ReplicaProcess,
} from '../../../../../orchestrator/plan/processes.ts';
import {
  callsToEnd,
  callsToRun,
  type Present,
  type Wish,
} from '../../../../../orchestrator/platforms/kubernetes/next-calls.ts';
import {
  type PodState,
  templateIn,
} from '../../../../../orchestrator/platforms/kubernetes/pod-state.ts';
import {
  controllerDeployment,
  recipeOf,
  replicaDeployment,
  serviceOf,
} from '../../../../../orchestrator/platforms/kubernetes/workloads.ts';
import { makeRecord } from '../../support/records.ts';

const CONTEXT = {
  ...{
    namespace: 'sys',
    installationId: 'i',
    dataRoot: '/d',
    registryUrl: 'http://192.0.2.1:5705',
  },
  images: { controller: 'c:1', replica: 'r:1' },
};
const [replica, controller] = processesOf(makeRecord({ copyCount: 1 })) as [
  ReplicaProcess,
  ControllerProcess,
];
const service = { ...serviceOf(CONTEXT, controller), spec: { clusterIP: '192.0.2.7' } };

function controllerOn(avoids: readonly string[] = []): Deployment {
  return controllerDeployment(CONTEXT, controller, { clusterIP: '192.0.2.7', avoids });
}

const TEMPLATE = templateIn(controllerOn().spec?.template?.metadata);

function isDownOf(nodes: readonly string[]) {
  return (node: string): boolean => nodes.includes(node);
}

function podState(changes: Partial<PodState> = {}): PodState {
  return {
    ...{ name: 'p', uid: 'u1', node: 'node1', address: undefined, phase: 'running' },
    ...{ isTerminating: false, lastEnd: undefined, failure: undefined },
    ...{ heldUp: undefined, isServing: true, isAttended: true, template: TEMPLATE },
    ...changes,
  };
}

function kindsOf(wish: Partial<Wish>, present: Partial<Present>): string[] {
  const process = wish.process ?? controller;
  const made = process.role === 'controller' ? controllerOn() : replicaDeployment(CONTEXT, process);
  const whole: Wish = {
    ...{ process, recipe: recipeOf(made), avoids: [], isStarting: true },
    isDown: (node) => wish.avoids?.includes(node) === true,
    ...wish,
  };
  const there: Present = {
    ...{ service, deployment: made, pods: [], ...present },
  };
  return callsToRun(whole, there).map((call) => {
    if (call.kind === 'retire-pod') return `retire ${call.pod.name}`;
    if (call.kind !== 'remove-pod') return call.kind;
    return `${call.isForced ? 'force' : 'remove'} ${call.pod.name}`;
  });
}

test('a replica gets all it needs at once; a controller needs its address first', () => {
  const nothing = { service: undefined, deployment: undefined };
  expect(kindsOf({ process: replica }, nothing)).toEqual(['create-service', 'create-deployment']);
  expect(kindsOf({}, nothing)).toEqual(['create-service']);
  expect(kindsOf({}, { deployment: undefined })).toEqual(['create-deployment']);
});

test('what runs as it should needs nothing, nor what kubelet is about to start again', () => {
  for (const phase of ['running', 'restarting', 'waiting'] as const) {
    expect(kindsOf({}, { pods: [podState({ phase })] })).toEqual([]);
  }
  expect(kindsOf({}, { pods: [] })).toEqual([]); // Kubernetes is about to make one
});

test('what kubelet waits with is removed when it is to be started, and not before', () => {
  const pods = [podState({ phase: 'backing-off' })];
  expect(kindsOf({}, { pods })).toEqual(['remove p']);
  expect(kindsOf({ isStarting: false }, { pods })).toEqual([]);
});

test('a pod that is being stopped is not where its address leads, from that moment on', () => {
  const stopping = podState({ phase: 'backing-off', isTerminating: true });
  expect(kindsOf({}, { pods: [stopping, podState({ name: 'q' })] })).toEqual(['retire p']);
  expect(kindsOf({}, { pods: [{ ...stopping, isServing: false }] })).toEqual([]);
});

test('a pod in which nothing runs any more is removed', () => {
  expect(kindsOf({}, { pods: [podState({ phase: 'ended' })] })).toEqual(['remove p']);
});

test('a controller on a lost node: its Deployment keeps away from there, and its pod goes at once', () => {
  const pods = [podState()];
  const avoids = ['node1'];
  expect(kindsOf({ avoids }, { pods })).toEqual(['replace-deployment', 'force p']);
  // Kubernetes has begun to delete it, but its node will never confirm that.
  const leaving = [podState({ isTerminating: true })];
  expect(kindsOf({ avoids }, { pods: leaving, deployment: controllerOn(['node1']) })).toEqual([
    'force p',
  ]);
});

test('a pod that the next one would wait for is not waited for, once its Deployment is another one', () => {
  const deployment = controllerOn(['node9']);
  const old = podState({ isTerminating: true });
  expect(kindsOf({ isDown: isDownOf(['node9']) }, { deployment, pods: [old] })).toEqual([
    'force p',
  ]);
  // Two replicas would be after the same directory.
  const made = replicaDeployment(CONTEXT, replica);
  const wish = { process: replica };
  expect(kindsOf(wish, { deployment: made, pods: [old] })).toEqual(['retire p']);
  const lastEnd = {
    ...{ containerId: 'c', exitCode: 0, words: undefined },
    ...{ instanceId: undefined, isOutOfMemory: false },
  };
  const stopped = podState({ isTerminating: true, phase: 'restarting', lastEnd });
  expect(kindsOf(wish, { deployment: made, pods: [stopped] })).toEqual(['force p']);
});

test('a controller that is just being made is not made anew for a node that goes meanwhile', () => {
  const avoids = ['node1'];
  const waiting = podState({ phase: 'waiting' });
  expect(kindsOf({ avoids }, { pods: [{ ...waiting, node: undefined }] })).toEqual([]);
  expect(kindsOf({ avoids }, { pods: [{ ...waiting, node: 'node2' }] })).toEqual([]);
  expect(kindsOf({ avoids }, { pods: [] })).toEqual([]);
  expect(kindsOf({ avoids }, { pods: [waiting] })).toEqual(['replace-deployment', 'force p']);
});

test('a controller on a node that Kubernetes knows to be down goes at once, and none is avoided', () => {
  const isDown = isDownOf(['node1']);
  expect(kindsOf({ isDown }, { pods: [podState()] })).toEqual(['force p']);
});

test('a controller that was made anew on another node is left there', () => {
  const pods = [podState({ isTerminating: true }), podState({ name: 'q', node: 'node2' })];
  expect(kindsOf({ avoids: ['node1'] }, { pods })).toEqual(['force p']);
});

test('a controller that keeps away from a node that is back is moved only if it has no place', () => {
  const deployment = controllerOn(['node2']);
  expect(kindsOf({}, { deployment, pods: [podState()] })).toEqual([]);
  expect(kindsOf({}, { deployment, pods: [] })).toEqual([]);
  const fresh = podState({ node: undefined, phase: 'waiting' });
  expect(kindsOf({}, { deployment, pods: [fresh] })).toEqual([]); // the scheduler has not seen it yet
  const homeless = { ...fresh, heldUp: '0/3 nodes are available' };
  expect(kindsOf({}, { deployment, pods: [homeless] })).toEqual(['replace-deployment']);
});

test('a replica on a lost node is left alone: it is there when the node is back', () => {
  const wish = { process: replica, avoids: ['node1'] };
  expect(kindsOf(wish, { pods: [podState()] })).toEqual([]);
});

test('I9 a Deployment that somebody has pinned elsewhere is put right, even if something runs', () => {
  const text = JSON.stringify(replicaDeployment(CONTEXT, replica));
  const deployment = JSON.parse(text.replaceAll('"node1"', '"node2"'));
  const present = { deployment, pods: [podState({ node: 'node2' })] };
  expect(kindsOf({ process: replica }, present)).toEqual(['replace-deployment']);
});

test('a new recipe counts when the process is started, and restarts nothing', () => {
  const wish = { recipe: 'another' };
  expect(kindsOf(wish, { pods: [podState()] })).toEqual([]);
  expect(kindsOf(wish, { pods: [podState({ phase: 'restarting' })] })).toEqual([]);
  expect(kindsOf(wish, { pods: [] })).toEqual(['replace-deployment']);
  expect(kindsOf(wish, { pods: [podState({ phase: 'backing-off' })] })).toEqual([
    ...['replace-deployment', 'remove p'],
  ]);
});

test('what was scaled to none is scaled to one', () => {
  const deployment = { ...controllerOn(), spec: { ...controllerOn().spec, replicas: 0 } };
  expect(kindsOf({}, { deployment })).toEqual(['replace-deployment']);
});

describe('a process that is to end', () => {
  const ending = (present: Partial<Present>, downNodes: string[] = []) =>
    callsToEnd(
      { service, deployment: controllerOn(), pods: [], ...present },
      isDownOf(downNodes),
    ).map(({ kind }) => kind);
  const none = { ...controllerOn(), spec: { ...controllerOn().spec, replicas: 0 } };

  test('is scaled to none, waited for, and removed', () => {
    expect(ending({ pods: [podState()] })).toEqual(['scale-to-none']);
    expect(ending({ pods: [podState()], deployment: none })).toEqual([]);
    expect(ending({ deployment: none })).toEqual(['remove-deployment']);
    expect(ending({ deployment: undefined })).toEqual([]);
  });

  test('leaves no pod that nobody would stop', () => {
    expect(ending({ pods: [podState()], deployment: undefined })).toEqual(['remove-pod']);
    expect(ending({ pods: [podState({ phase: 'ended' })], deployment: none })).toEqual([
      'remove-pod',
    ]);
  });

  test('does not wait for a pod in which nothing runs any more', () => {
    const lastEnd = {
      ...{ containerId: 'c', exitCode: 0, words: undefined },
      ...{ instanceId: undefined, isOutOfMemory: false },
    };
    const stopped = podState({ isTerminating: true, phase: 'restarting', lastEnd });
    const forced = [{ kind: 'remove-pod', isForced: true }];
    expect(callsToEnd({ service, deployment: none, pods: [stopped] }, isDownOf([]))).toMatchObject(
      forced,
    );
    const running: PodState = { ...stopped, phase: 'running' };
    expect(callsToEnd({ service, deployment: none, pods: [running] }, isDownOf([]))).toEqual([]);
  });

  test('does not wait for a node that is down', () => {
    const present = { pods: [podState({ isTerminating: true })], deployment: none };
    expect(callsToEnd({ service, ...present }, isDownOf(['node1']))).toMatchObject([
      { isForced: true },
    ]);
  });
});
