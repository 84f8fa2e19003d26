import type { Pod } from '../../../../../orchestrator/kubernetes/objects.ts';
import { InstanceEnds } from '../../../../../orchestrator/platforms/kubernetes/instance-ends.ts';

const UID = '2a9c0564-3572-463c-8624-3245e3ad2ef6';
const FIRST = `${UID}-5c990994`;
const SECOND = `${UID}-ccf770a4`;

function pod(
  state: object,
  more: { lastState?: object; phase?: string; isDeleted?: boolean } = {},
) {
  const { lastState = {}, phase = 'Running', isDeleted = false } = more;
  return {
    metadata: {
      ...{ name: 'p', uid: UID },
      ...(isDeleted ? { deletionTimestamp: '2026-11-21T12:00:00Z' } : {}),
    },
    spec: { nodeName: 'n1' },
    status: {
      phase,
      containerStatuses: [{ name: 'c', ready: false, restartCount: 0, state, lastState }],
    },
  } as Pod;
}

function ended(instanceId?: string, exitCode = 137) {
  const line = `{"instanceId":"${instanceId}","message":"serving"}\n`;
  const said = instanceId === undefined ? {} : { message: `ready 0.0.0.0:3260\n${line}` };
  return { terminated: { exitCode, containerID: `c-${instanceId}`, ...said } };
}

test('I7 a controller whose end kubelet tells has ended, by the name in its last words, told once', () => {
  const ends = new InstanceEnds();
  expect(ends.take(pod({ running: {} }), false)).toEqual([]);
  expect(ends.take(pod(ended(FIRST)), false)).toEqual([FIRST]);
  expect(ends.take(pod({ running: {} }, { lastState: ended(FIRST) }), false)).toEqual([]);
  expect(ends.take(pod({ running: {} }, { lastState: ended(SECOND) }), false)).toEqual([SECOND]);
});

test('I7 of a controller that said nothing, only that its pod is gone tells', () => {
  const ends = new InstanceEnds();
  expect(ends.take(pod(ended()), false)).toEqual([]);
  expect(ends.take(pod(ended(undefined, 0), { isDeleted: true }), false)).toEqual([]);
  expect(ends.take(pod(ended(undefined, 0), { isDeleted: true }), true)).toEqual([UID]);
});

test('I7 a pod that was removed without its node proves nothing', () => {
  const ends = new InstanceEnds();
  ends.noteForced(UID);
  expect(ends.take(pod(ended(undefined, 0), { isDeleted: true }), true)).toEqual([]);
});

test('I7 a pod that its node has put out is over', () => {
  const ends = new InstanceEnds();
  const evicted = pod(ended(FIRST), { phase: 'Failed' });
  expect(ends.take(evicted, false)).toEqual([FIRST, UID]);
  expect(ends.take(evicted, false)).toEqual([]);
  expect(ends.take(evicted, true)).toEqual([]);
});

test('I7 a name of another pod in the last words is not believed', () => {
  const other = `3b9c0564-3572-463c-8624-3245e3ad2ef6-5c990994`;
  expect(new InstanceEnds().take(pod(ended(other)), false)).toEqual([]);
});
