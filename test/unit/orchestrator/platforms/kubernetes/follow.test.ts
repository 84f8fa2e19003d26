import { choosePod, follow } from '../../../../../orchestrator/platforms/kubernetes/follow.ts';
import type { PodState } from '../../../../../orchestrator/platforms/kubernetes/pod-state.ts';

const UP = () => undefined;
const END = {
  containerId: 'c1',
  exitCode: 137,
  words: undefined,
  instanceId: undefined,
  isOutOfMemory: false,
};

function podState(changes: Partial<PodState> = {}): PodState {
  return {
    ...{ name: 'p', uid: 'u1', node: 'n1', address: '198.51.100.1', phase: 'running' },
    ...{ isTerminating: false, lastEnd: undefined, failure: undefined },
    ...{ heldUp: undefined, isServing: true, isAttended: true, template: '' },
    ...changes,
  };
}

function run(changes: Partial<Parameters<typeof follow>[0]> = {}) {
  return { podUid: 'u1', pinnedTo: undefined, toldEnd: undefined, ...changes };
}

test('a run goes on in its pod, whatever other pods there are', () => {
  const mine = podState();
  const other = podState({ uid: 'u2', isTerminating: true, lastEnd: END });
  expect(follow(run(), [other, mine], UP)).toEqual({ kind: 'goes-on', pod: mine });
});

test.each<[string, PodState[], string]>([
  ['its container ended', [podState({ phase: 'restarting', lastEnd: END })], 'signal SIGKILL'],
  ['another one runs by now', [podState({ lastEnd: END })], 'signal SIGKILL'],
  [
    'it took too much memory',
    [podState({ lastEnd: { ...END, isOutOfMemory: true } })],
    'out of memory',
  ],
  ['its pod is being deleted', [podState({ isTerminating: true })], 'its pod was deleted'],
  ['its pod is gone', [podState({ uid: 'u2' })], 'its pod was removed'],
  [
    'its node put it out',
    [podState({ phase: 'ended', failure: 'Evicted: low on memory' })],
    'its pod has failed: Evicted: low on memory',
  ],
])('a run has ended when %s', (_, pods, reason) => {
  expect(follow(run(), pods, UP)).toMatchObject({ kind: 'ended', reason });
});

test('an end is told once', () => {
  const pod = podState({ phase: 'restarting', lastEnd: END });
  expect(follow(run({ toldEnd: 'c1' }), [pod], UP)).toEqual({ kind: 'goes-on', pod });
});

test('a run has ended when its node is down, also before it has a pod', () => {
  const whyDown = (node: string) => (node === 'n1' ? 'it is silent' : undefined);
  const reason = 'n1 is down: it is silent';
  expect(follow(run(), [podState()], whyDown)).toMatchObject({ kind: 'ended', reason });
  const pinned = run({ podUid: undefined, pinnedTo: 'n1' });
  expect(follow(pinned, [], whyDown)).toMatchObject({ kind: 'ended', reason });
});

test('a pod that kubelet waits with is let go without another end', () => {
  const pod = podState({ phase: 'backing-off', lastEnd: END });
  expect(follow(run({ toldEnd: 'c1' }), [pod], UP)).toEqual({ kind: 'goes-on', pod: undefined });
});

test('a run that begins takes the pod in which something runs, before one in which something will', () => {
  const restarting = podState({ uid: 'u3', phase: 'restarting', lastEnd: END });
  const running = podState({ uid: 'u2' });
  const begun = run({ podUid: undefined, toldEnd: 'c1' });
  expect(follow(begun, [restarting, running], UP)).toEqual({ kind: 'goes-on', pod: running });
  expect(follow(begun, [restarting], UP)).toEqual({ kind: 'goes-on', pod: restarting });
});

test('a run that ended before anybody saw it begin has ended all the same', () => {
  const pod = podState({ phase: 'backing-off', lastEnd: END });
  expect(follow(run({ podUid: undefined }), [pod], UP)).toMatchObject({ reason: 'signal SIGKILL' });
});

test.each<[string, Partial<PodState>]>([
  ['waits', { phase: 'waiting' }],
  ['is being deleted', { isTerminating: true }],
  ['has ended', { phase: 'ended' }],
  ['has no node', { node: undefined }],
  ['is on a node that is down', { node: 'n2' }],
  ['I9 is on another node than its copy', { node: 'n3' }],
])('no run is in a pod that %s', (_, changes) => {
  const whyDown = (node: string) => (node === 'n2' ? 'away' : undefined);
  const place = { pinnedTo: 'n1', toldEnd: undefined };
  expect(choosePod(place, [podState(changes)], whyDown)).toBeUndefined();
});
