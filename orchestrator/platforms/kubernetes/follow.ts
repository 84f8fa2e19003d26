import { showExit } from '../exit-reason.ts';
import { type ContainerEnd, isLive, type PodState } from './pod-state.ts';

/** What is known of a run so far. */
export interface Followed {
  /** The pod that it is in; undefined until something has run. */
  readonly podUid: string | undefined;
  /** Where it may be and nowhere else; undefined: anywhere. */
  readonly pinnedTo: string | undefined;
  /** The container whose end was told last, of this run or an earlier one. */
  readonly toldEnd: string | undefined;
}

export type Step =
  | { readonly kind: 'ended'; readonly reason: string; readonly end: ContainerEnd | undefined }
  /** Its pod, once something has run in it, or undefined. */
  | { readonly kind: 'goes-on'; readonly pod: PodState | undefined };

/**
 * What became of a run that is wanted.
 *
 * @param pods all of its process
 * @param whyDown why nothing runs on a node, or undefined
 */
export function follow(
  run: Followed,
  pods: readonly PodState[],
  whyDown: (node: string) => string | undefined,
): Step {
  const place = pods.find(({ uid }) => uid === run.podUid)?.node ?? run.pinnedTo;
  const downReason = place === undefined ? undefined : whyDown(place);
  if (downReason !== undefined) return ended(`${place} is down: ${downReason}`);
  if (run.podUid === undefined) {
    const pod = choosePod(run, pods, whyDown);
    const end = pod === undefined ? undefined : newEnd(pod, run.toldEnd);
    return end === undefined ? { kind: 'goes-on', pod } : ended(showEnd(end), end);
  }
  const pod = pods.find(({ uid }) => uid === run.podUid);
  if (pod === undefined) return ended('its pod was removed');
  const end = newEnd(pod, run.toldEnd);
  if (end !== undefined) return ended(showEnd(end), end);
  if (pod.isTerminating) return ended('its pod was deleted');
  if (pod.phase === 'ended')
    return ended(`its pod has failed: ${pod.failure ?? 'no reason given'}`);
  // That kubelet waits is not another end: its pod is replaced.
  return { kind: 'goes-on', pod: pod.phase === 'backing-off' ? undefined : pod };
}

/** The pod that a run is in, if it is in one: something runs in it, or ran and is started again. */
export function choosePod(
  { pinnedTo, toldEnd }: Pick<Followed, 'pinnedTo' | 'toldEnd'>,
  pods: readonly PodState[],
  whyDown: (node: string) => string | undefined,
): PodState | undefined {
  const candidates = pods.filter((pod) => {
    if (!isLive(pod) || pod.node === undefined || whyDown(pod.node) !== undefined) return false;
    return pinnedTo === undefined || pod.node === pinnedTo;
  });
  return (
    candidates.find(({ phase }) => phase === 'running') ??
    candidates.find((pod) => pod.phase === 'restarting' || newEnd(pod, toldEnd) !== undefined)
  );
}

function newEnd({ lastEnd }: PodState, toldEnd: string | undefined): ContainerEnd | undefined {
  return lastEnd?.containerId === toldEnd ? undefined : lastEnd;
}

function ended(reason: string, end?: ContainerEnd): Step {
  return { kind: 'ended', reason, end };
}

function showEnd({ exitCode, words, isOutOfMemory }: ContainerEnd): string {
  return isOutOfMemory ? 'out of memory' : showExit(exitCode, words);
}
