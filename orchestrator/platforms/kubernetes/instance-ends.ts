import type { Pod } from '../../kubernetes/objects.ts';
import { hasSurelyEnded, readPod } from './pod-state.ts';

/**
 * Which controllers are known to have ended, so that nobody waits for their leases (I7): each whose end
 * its kubelet has told, by name, if its last words show it; and all that ran in a pod once that is gone.
 */
export class InstanceEnds {
  /** Pods that were removed without their node: what runs in them may go on. */
  readonly #forced = new Set<string>();
  /** By uid of the pod: what was told of it last. */
  readonly #told = new Map<string, string>();

  /** This pod is about to be removed without its node. */
  noteForced(uid: string): void {
    this.#forced.add(uid);
  }

  /** Names or places (controller/protocol/instance-id.ts) that were not told before. */
  take(pod: Pod, isGone: boolean): string[] {
    const { uid, phase, lastEnd } = readPod(pod);
    const isForced = this.#forced.has(uid);
    const told = this.#told.get(uid);
    const ends: string[] = [];
    const instanceId = lastEnd?.instanceId;
    if (instanceId !== undefined && told !== uid && told !== instanceId) ends.push(instanceId);
    const isOver = isGone || phase === 'ended';
    if (isOver && !isForced && told !== uid && hasSurelyEnded(pod)) ends.push(uid);
    const last = ends.at(-1);
    if (isGone) {
      this.#forced.delete(uid);
      this.#told.delete(uid);
    } else if (last !== undefined) this.#told.set(uid, last);
    return ends;
  }
}
