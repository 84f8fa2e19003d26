import type { ContainerStatus, Pod } from '../../kubernetes/objects.ts';
import { lastSentenceIn } from '../last-sentence.ts';
import { LABELS, SERVING } from './names.ts';

/**
 * waiting: nothing has run yet. running. restarting: what ran has ended, and kubelet starts it again
 * in this pod, at once the first time. backing-off: kubelet waits 10 s or more before it does. ended:
 * nothing runs in this pod any more.
 */
export type PodPhase = 'waiting' | 'running' | 'restarting' | 'backing-off' | 'ended';

/** A pod of one container, as far as it matters here. */
export interface PodState {
  readonly name: string;
  readonly uid: string;
  /** undefined until it has a place. */
  readonly node: string | undefined;
  /** undefined until it has a network. */
  readonly address: string | undefined;
  readonly phase: PodPhase;
  /** Somebody has deleted it; what runs in it is being stopped. */
  readonly isTerminating: boolean;
  /** The address of its process leads to it. */
  readonly isServing: boolean;
  /** Of what runs now. */
  readonly containerId: string | undefined;
  /** What ended last in it. */
  readonly lastEnd: ContainerEnd | undefined;
  /** Of one that has ended: why, in words. */
  readonly failure: string | undefined;
  /** Why nothing has run yet, where that does not mend itself. */
  readonly heldUp: string | undefined;
}

export interface ContainerEnd {
  readonly containerId: string;
  readonly exitCode: number;
  /** The last sentence of what it said. */
  readonly words: string | undefined;
  /** The kernel ended it for want of memory. */
  readonly isOutOfMemory: boolean;
}

/** What kubelet says of containers that somebody has to do something for. */
const STUCK: readonly string[] = [
  ...['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName'],
  ...['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'],
];

const MAX_MESSAGE_CHARS = 300;

export function readPod({ metadata, spec, status }: Pod): PodState {
  const [container] = status?.containerStatuses ?? [];
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    node: spec?.nodeName,
    address: status?.podIP,
    phase: phaseOf(status?.phase, container),
    isTerminating: metadata.deletionTimestamp !== undefined,
    isServing: metadata.labels?.[LABELS.serves] === SERVING[LABELS.serves],
    containerId: container?.state?.running === undefined ? undefined : container.containerID,
    lastEnd: lastEndOf(container),
    failure: whyFailed(status),
    heldUp: whyHeldUp(status, container),
  };
}

/** Whether kubelet will start something in it, or does not have to. */
export function isLive({ phase, isTerminating }: PodState): boolean {
  return !isTerminating && phase !== 'ended';
}

/**
 * Whether what ran in a pod that is gone, or has failed, is known to have ended. Who deletes a pod in the
 * usual way leaves it to its kubelet, which stops it, says so, and only then takes the object away. One
 * that was removed by force may go on.
 */
export function hasSurelyEnded(last: Pod): boolean {
  const { isTerminating, phase, lastEnd } = readPod(last);
  const [container] = last.status?.containerStatuses ?? [];
  const isOver = lastEnd !== undefined && container?.state?.terminated !== undefined;
  return isOver && (isTerminating || phase === 'ended');
}

function phaseOf(
  podPhase: NonNullable<Pod['status']>['phase'],
  container: ContainerStatus | undefined,
): PodPhase {
  if (podPhase === 'Failed' || podPhase === 'Succeeded') return 'ended';
  const { state, lastState } = container ?? {};
  if (state?.running !== undefined) return 'running';
  if (state?.waiting?.reason === 'CrashLoopBackOff') return 'backing-off';
  if (state?.terminated !== undefined || lastState?.terminated !== undefined) return 'restarting';
  return 'waiting';
}

function lastEndOf(container: ContainerStatus | undefined): ContainerEnd | undefined {
  const end = container?.state?.terminated ?? container?.lastState?.terminated;
  if (end === undefined) return undefined;
  return {
    // Without an id it is told from others by when it ended.
    containerId: end.containerID ?? `ended at ${end.finishedAt ?? 'an unknown time'}`,
    exitCode: end.exitCode,
    words: lastSentenceIn(end.message ?? ''),
    isOutOfMemory: end.reason === 'OOMKilled',
  };
}

function whyHeldUp(
  status: Pod['status'],
  container: ContainerStatus | undefined,
): string | undefined {
  const unscheduled = status?.conditions?.find(({ type, status: value }) => {
    return type === 'PodScheduled' && value === 'False';
  });
  if (unscheduled !== undefined) return shorten(unscheduled.message ?? 'no node takes its pod');
  const { reason, message } = container?.state?.waiting ?? {};
  if (reason === undefined || !STUCK.includes(reason)) return undefined;
  return shorten(message === undefined ? reason : `${reason}: ${message}`);
}

function whyFailed(status: Pod['status']): string | undefined {
  if (status?.reason === undefined) return undefined;
  return shorten(
    status.message === undefined ? status.reason : `${status.reason}: ${status.message}`,
  );
}

function shorten(text: string): string {
  return text.slice(0, MAX_MESSAGE_CHARS);
}
