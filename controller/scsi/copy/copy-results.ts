import { assert } from '../../../replica/common/assert.ts';
import { MAX_CONCURRENT_COPIES } from '../limits.ts';
import type { NexusId } from '../plan.ts';

/** How far a copy came (SPC-4 clause 6.24). */
export interface CopyProgress {
  readonly status: 'running' | 'completed' | 'aborted';
  readonly segmentsDone: number;
  readonly bytesDone: number;
}

const STARTED: CopyProgress = { status: 'running', segmentsDone: 0, bytesDone: 0 };

/**
 * The copies that run, and how those ended whose initiator may ask. A list identifier has 8 bits, so
 * at most 256 are kept for each nexus, until they were asked for or the nexus ends.
 */
export class CopyResults {
  readonly #byNexus = new Map<NexusId, Map<number, CopyProgress>>();
  #runningCount = 0;

  /** Whether another copy may run. */
  get hasRoom(): boolean {
    return this.#runningCount < MAX_CONCURRENT_COPIES;
  }

  isRunning(nexus: NexusId, listId: number): boolean {
    return this.#byNexus.get(nexus)?.get(listId)?.status === 'running';
  }

  /** @param listId undefined: nobody can ask for this copy */
  started(nexus: NexusId, listId: number | undefined): void {
    assert(this.hasRoom, 'copies at the same time are limited');
    this.#runningCount += 1;
    if (listId === undefined) return;
    const ofNexus = this.#byNexus.get(nexus) ?? new Map<number, CopyProgress>();
    ofNexus.set(listId, STARTED);
    this.#byNexus.set(nexus, ofNexus);
  }

  /** A nexus that is gone meanwhile has forgotten its copies. */
  advanced(nexus: NexusId, listId: number | undefined, progress: CopyProgress): void {
    if (progress.status !== 'running') this.#runningCount -= 1;
    if (listId === undefined) return;
    const ofNexus = this.#byNexus.get(nexus);
    if (ofNexus?.has(listId) === true) ofNexus.set(listId, progress);
  }

  /** How the copy stands; what has ended is told once. */
  take(nexus: NexusId, listId: number): CopyProgress | undefined {
    const ofNexus = this.#byNexus.get(nexus);
    const progress = ofNexus?.get(listId);
    if (progress !== undefined && progress.status !== 'running') ofNexus?.delete(listId);
    return progress;
  }

  forget(nexus: NexusId): void {
    this.#byNexus.delete(nexus);
  }
}
