import { placeOfInstance } from '../../../controller/protocol/instance-id.ts';
import type { ContainerStatus, Metadata, Pod } from '../../kubernetes/objects.ts';
import { lastSentenceIn } from '../last-sentence.ts';
import { ANNOTATIONS, LABELS, SERVING } from './names.ts';

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
  /** Another one than its Deployment's: it is made from what that was before. */
  readonly template: string;
  /** Its node has taken notice of it. */
  readonly isAttended: boolean;
  /** The address of its process leads to it. */
  readonly isServing: boolean;
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
  /** Of a controller: what it called itself, if its last words show that. */
  readonly instanceId: string | undefined;
  /** The kernel ended it for want of memory. */
  readonly isOutOfMemory: boolean;
}

/** What kubelet says of containers that somebody has to do something for. */
const STUCK: readonly string[] = [
  ...['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName'],
  ...['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'],
];

/** What has run for so long is started again at once: twice the longest time that kubelet waits. */
const BACK_OFF_FORGOTTEN_MS = 10 * 60_000;

/** What every process says once it serves. */
const READY_LINE = /^ready \S+$/gm;

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
    template: templateIn(metadata),
    isAttended: container !== undefined,
    isServing: metadata.labels?.[LABELS.serves] === SERVING[LABELS.serves],
    lastEnd: lastEndOf(container, metadata.uid ?? ''),
    failure: whyFailed(status),
    heldUp: whyHeldUp(status, container),
  };
}

/** Tells templates apart, by what is noted on them and on all pods that are made from them. */
export function templateIn(metadata: Partial<Metadata> | undefined): string {
  const { annotations = {} } = metadata ?? {};
  return JSON.stringify(Object.values(ANNOTATIONS).map((name) => annotations[name] ?? null));
}

/** Whether nothing runs any more in a pod that is being deleted. Some kubelets let it stand for long. */
export function hasStopped({ isTerminating, lastEnd, phase }: PodState): boolean {
  return isTerminating && lastEnd !== undefined && phase !== 'running';
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
  if (state?.terminated !== undefined)
    return isWaitedWith(container) ? 'backing-off' : 'restarting';
  return lastState?.terminated === undefined ? 'waiting' : 'restarting';
}

/**
 * Whether kubelet waits before it starts a container again that has just ended. It says so seconds
 * later only. It never waits after the first end in a pod, nor after the container has run for long.
 */
function isWaitedWith(container: ContainerStatus | undefined): boolean {
  const { startedAt = '', finishedAt = '' } = container?.state?.terminated ?? {};
  const ranMs = Date.parse(finishedAt) - Date.parse(startedAt);
  return (container?.restartCount ?? 0) > 0 && !(ranMs > BACK_OFF_FORGOTTEN_MS);
}

function lastEndOf(
  container: ContainerStatus | undefined,
  podUid: string,
): ContainerEnd | undefined {
  const end = container?.state?.terminated ?? container?.lastState?.terminated;
  if (end === undefined) return undefined;
  return {
    // Without an id it is told from others by when it ended.
    containerId: end.containerID ?? `ended at ${end.finishedAt ?? 'an unknown time'}`,
    exitCode: end.exitCode,
    words: lastSentenceIn((end.message ?? '').replace(READY_LINE, '')),
    instanceId: instanceIn(end.message ?? '', podUid),
    isOutOfMemory: end.reason === 'OOMKilled',
  };
}

/** A controller writes its name into every line of its log; it begins with the uid of its pod. */
function instanceIn(log: string, podUid: string): string | undefined {
  const names = log.match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{8}/g) ?? [];
  return names.findLast((name) => placeOfInstance(name) === podUid);
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
