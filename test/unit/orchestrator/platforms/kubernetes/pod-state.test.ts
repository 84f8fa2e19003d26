import type { ContainerStatus, Pod } from '../../../../../orchestrator/kubernetes/objects.ts';
import {
  hasSurelyEnded,
  isLive,
  readPod,
} from '../../../../../orchestrator/platforms/kubernetes/pod-state.ts';

const END = { exitCode: 1, containerID: 'containerd://1' };
const RAN_FOR_LONG = { startedAt: '2026-11-21T12:00:00Z', finishedAt: '2026-11-21T12:10:01Z' };
const RUNNING = { containerID: 'containerd://2', state: { running: {} } };

function pod(
  container?: Partial<ContainerStatus>,
  more: { status?: object; spec?: object; metadata?: object } = {},
): Pod {
  const containers = container && [{ name: 'c', ready: false, restartCount: 0, ...container }];
  return {
    metadata: { name: 'p', uid: 'u', ...more.metadata },
    spec: { nodeName: 'n1', ...more.spec },
    status: {
      phase: 'Running',
      ...(containers === undefined ? {} : { containerStatuses: containers }),
      ...more.status,
    },
  };
}

test.each<[string, Pod, string]>([
  ['nothing is known yet', { metadata: { name: 'p' } }, 'waiting'],
  ['its image is fetched', pod({ state: { waiting: { reason: 'ContainerCreating' } } }), 'waiting'],
  ['it runs', pod(RUNNING), 'running'],
  ['it runs again', pod({ ...RUNNING, lastState: { terminated: END } }), 'running'],
  ['it has just ended', pod({ state: { terminated: END } }), 'restarting'],
  [
    'it is about to run again',
    pod({ state: { waiting: { reason: 'PodInitializing' } }, lastState: { terminated: END } }),
    'restarting',
  ],
  [
    'kubelet waits',
    pod({ state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: END } }),
    'backing-off',
  ],
  ['it ended a second time', pod({ restartCount: 1, state: { terminated: END } }), 'backing-off'],
  [
    'it ended a second time after long',
    pod({ restartCount: 1, state: { terminated: { ...END, ...RAN_FOR_LONG } } }),
    'restarting',
  ],
  ['it was put out', pod({ state: { terminated: END } }, { status: { phase: 'Failed' } }), 'ended'],
])('the phase of a pod when %s', (_, object, phase) => {
  expect(readPod(object).phase).toBe(phase);
});

test('a pod says which container ended last and why', () => {
  const message = '{"level":"info"}\nno room on the disk\nready 0.0.0.0:5703\n';
  const state = readPod(
    pod({ ...RUNNING, lastState: { terminated: { ...END, reason: 'OOMKilled', message } } }),
  );
  expect(state.lastEnd).toEqual({
    ...{ containerId: 'containerd://1', exitCode: 1, words: 'no room on the disk' },
    ...{ instanceId: undefined, isOutOfMemory: true },
  });
});

test('an end without an id is told from others by its time', () => {
  const at = (finishedAt: string) =>
    readPod(pod({ state: { terminated: { exitCode: 1, finishedAt } } })).lastEnd?.containerId;
  expect(at('2026-11-21T12:00:00Z')).not.toBe(at('2026-11-21T12:00:01Z'));
});

test.each<[string, Pod, string | undefined]>([
  [
    'no node takes it',
    {
      metadata: { name: 'p' },
      status: {
        conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }],
      },
    },
    '0/3 nodes are available',
  ],
  [
    'its image is missing',
    pod({ state: { waiting: { reason: 'ErrImageNeverPull', message: 'not present' } } }),
    'ErrImageNeverPull: not present',
  ],
  ['it takes its time', pod({ state: { waiting: { reason: 'ContainerCreating' } } }), undefined],
  ['it runs', pod(RUNNING), undefined],
])('what holds a pod up when %s', (_, object, reason) => {
  expect(readPod(object).heldUp).toBe(reason);
});

test('a pod that is deleted or has ended is not live', () => {
  const metadata = { deletionTimestamp: '2026-11-21T12:00:00Z' };
  expect(isLive(readPod(pod(RUNNING)))).toBe(true);
  expect(isLive(readPod(pod(RUNNING, { metadata })))).toBe(false);
  expect(
    isLive(readPod(pod({ state: { terminated: END } }, { status: { phase: 'Failed' } }))),
  ).toBe(false);
});

describe('I7 what ran in a pod is known to have ended', () => {
  const metadata = { deletionTimestamp: '2026-11-21T12:00:00Z' };
  test.each<[string, Pod, boolean]>([
    [
      'when its kubelet said so and took it away',
      pod({ state: { terminated: END } }, { metadata }),
      true,
    ],
    [
      'when its node put it out',
      pod({ state: { terminated: END } }, { status: { phase: 'Failed' } }),
      true,
    ],
    ['not when it was removed while it ran', pod(RUNNING), false],
    ['not when its node never confirmed its deletion', pod(RUNNING, { metadata }), false],
    [
      'not when it had ended and may have been started again',
      pod({ state: { terminated: END } }),
      false,
    ],
    [
      'not when kubelet waited and nobody asked it to stop',
      pod({ state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: END } }),
      false,
    ],
    ['not when nothing was ever heard of it', pod(undefined, { metadata }), false],
  ])('%s', (_, last, isSo) => {
    expect(hasSurelyEnded(last)).toBe(isSo);
  });
});
