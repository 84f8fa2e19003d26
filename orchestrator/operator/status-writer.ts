import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import { objectNameOf } from '../kubernetes/object-name.ts';
import type { VolumeObject } from '../kubernetes/objects.ts';
import { VOLUMES } from '../kubernetes/resources.ts';
import type { VolumeView } from '../model/view.ts';
import { KeyedQueue } from '../reconcile/keyed-queue.ts';
import type { Pace } from './pace.ts';
import { isAtRest, type StatusPatch, statusPatch, volumeStatus } from './status.ts';
import type { Verdict } from './verdict.ts';

export interface StatusWriterOptions {
  readonly api: KubeApi;
  readonly volumes: Informer<VolumeObject>;
  readonly installation: Pick<Installation, 'registry' | 'view'>;
  /** Undefined: nobody has looked at it yet. */
  readonly verdictOf: (address: string) => Verdict | undefined;
  /** Of all status patches. */
  readonly pace: Pace;
  readonly now: () => Date;
  readonly log: Log;
}

/** Of a running sync, for each volume. */
const PROGRESS_MS = 5_000;

/** Of each volume: when something happens, more does. What somebody waits for is written at once. */
const GAP_MS = 1_000;

/** What announces itself to nobody is looked for this often: a controller that hangs. */
const AT_REST_MS = 30_000;
/** While something is under way. */
const RESTLESS_MS = 2_000;
/** Until we see what somebody else has just changed. */
const LATE_MS = 100;
/** While the server takes nothing. */
const RETRY_MS = 5_000;

/** Controllers asked at a time: each may take a second not to answer. */
const MAX_VIEWS = 16;

interface Look {
  readonly object: VolumeObject;
  readonly change: StatusPatch | undefined;
  readonly isAtRest: boolean;
}

/** Keeps the status of volumes, as people see it, what it should be. Writes what changed and no more. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #queue: KeyedQueue;
  /** By address: when it was written last. */
  readonly #writtenAtMs = new Map<string, number>();
  #viewCount = 0;
  readonly #waitingForView: (() => void)[] = [];

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue(
      (address) => this.#write(address),
      (address, error) => {
        options.log.error('a status cannot be told', { volume: address, error: messageOf(error) });
      },
    );
  }

  /** Something about it may have changed. */
  add(address: string): void {
    this.#queue.add(address);
  }

  close(): void {
    this.#queue.close();
  }

  /** Returns when to look again. */
  async #write(address: string): Promise<number | undefined> {
    const { api, volumes, pace, log } = this.#options;
    const first = await this.#look(address);
    if (first === undefined) {
      this.#writtenAtMs.delete(address);
      return undefined;
    }
    if (first.change === undefined) return this.#nextLook(first);
    const mayWriteAtMs = this.#mayWriteAtMs(address, first.change);
    if (monotonicClock.nowMs() < mayWriteAtMs) return mayWriteAtMs;
    if (!(await pace.turn(first.change))) return undefined;
    const look = await this.#look(address); // it may have taken a while
    if (look?.change === undefined) return look && this.#nextLook(look);
    const { name, namespace, resourceVersion } = look.object.metadata;
    try {
      this.#writtenAtMs.set(address, monotonicClock.nowMs());
      // Of that name there may be another one by now, and the server would not mind another uid.
      const patch = { metadata: { resourceVersion }, status: look.change.patch };
      volumes.note(await api.patch(VOLUMES, { namespace, name }, patch, 'status'));
    } catch (error) {
      if (isLate(error)) return monotonicClock.nowMs() + LATE_MS;
      log.warn('a status could not be written', { volume: address, error: messageOf(error) });
      return monotonicClock.nowMs() + RETRY_MS;
    }
    return this.#nextLook(look);
  }

  #mayWriteAtMs(address: string, { isUrgent, isProgressOnly }: StatusPatch): number {
    const writtenAtMs = this.#writtenAtMs.get(address) ?? Number.NEGATIVE_INFINITY;
    if (isUrgent) return writtenAtMs;
    return writtenAtMs + (isProgressOnly ? PROGRESS_MS : GAP_MS);
  }

  async #look(address: string): Promise<Look | undefined> {
    const { volumes, verdictOf, now } = this.#options;
    const view = await this.#viewOf(address);
    const object = volumes.get(objectNameOf(address));
    const verdict = verdictOf(address);
    if (object === undefined || verdict === undefined) return undefined;
    const wanted = volumeStatus({ object, verdict, view, nowText: now().toISOString() });
    return {
      object,
      change: statusPatch(object.status, wanted),
      isAtRest: isAtRest(view, verdict),
    };
  }

  #nextLook({ isAtRest }: Look): number {
    return monotonicClock.nowMs() + (isAtRest ? AT_REST_MS : RESTLESS_MS);
  }

  /** undefined: there is no such volume, or it cannot be looked at now. */
  async #viewOf(address: string): Promise<VolumeView | undefined> {
    const { installation } = this.#options;
    while (this.#viewCount >= MAX_VIEWS) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waitingForView.push(resolve);
      await promise;
    }
    this.#viewCount += 1;
    try {
      if (installation.registry.get(address) === undefined) return undefined;
      return await installation.view(address);
    } finally {
      this.#viewCount -= 1;
      this.#waitingForView.shift()?.();
    }
  }
}

/** It is another one by now, or gone. */
function isLate(error: unknown): boolean {
  return error instanceof KeelsonError && ['CONFLICT', 'NOT_FOUND'].includes(error.code);
}
