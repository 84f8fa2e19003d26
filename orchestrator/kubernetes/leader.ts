import { setTimeout as pause } from 'node:timers/promises';
import { type Clock, monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { KubeApi } from './kube-api.ts';
import type { Lease } from './objects.ts';
import { LEASES } from './resources.ts';

export interface LeaderElectionOptions {
  readonly api: Pick<KubeApi, 'get' | 'create' | 'replace'>;
  /** Of the Lease that all candidates want. */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** No other process, not even an earlier one in our pod, may call itself so. */
  readonly candidate: string;
  /**
   * Another one holds the Lease, so whoever led must do nothing more. Called once at most, and not for
   * a candidate, nor after `close`.
   */
  readonly onLost: (holder: string) => void;
  /** The time of day, for people who look at the Lease: nothing is decided by it. */
  readonly now: () => Date;
  readonly log: Log;
  readonly times?: LeaseTimes;
  readonly clock?: Clock;
  /** Rejects when `signal` aborts. */
  readonly pause?: (delayMs: number, signal: AbortSignal) => Promise<void>;
}

export interface LeaseTimes {
  /** A holder that has shown no sign of life for so long has lost it. */
  readonly durationMs: number;
  readonly renewMs: number;
  /** Between two tries to get it, and to renew it after one failed. */
  readonly retryMs: number;
  /** How long one try waits for its answer. */
  readonly attemptMs: number;
}

/** A leader that was killed is followed after 4 to 6 s; one that was closed, after one. */
export const LEASE_TIMES: LeaseTimes = {
  durationMs: 5_000,
  renewMs: 2_000,
  retryMs: 1_000,
  attemptMs: 2_000,
};

/** Longest duration of somebody else's that we wait for. */
const MAX_DURATION_SECONDS = 60;

/** Somebody else's Lease, of one version. */
interface Sighting {
  readonly version: string;
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * One of several processes leads: the one that holds a Lease (coordination.k8s.io/v1) and renews it.
 * Whether a Lease has run out is judged by our own clock, from when we saw its holder's last sign of
 * life, since the clocks of two nodes need not agree. It does not run out while we cannot look: a
 * server that was away leaves its leader time to say that it is still there.
 *
 * A leader that cannot reach the server stays leader, for it can change nothing without it, and what it
 * writes names the version that it was decided on.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #times: LeaseTimes;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #leading = Promise.withResolvers<void>();
  readonly #done: Promise<void>;
  #state: 'candidate' | 'leader' | 'lost' = 'candidate';
  /** Ours, as we wrote it last; undefined when somebody may have changed it since. */
  #held: Lease | undefined;
  #sighting: Sighting | undefined;
  #holder: string | undefined;
  #isFailing = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#times = options.times ?? LEASE_TIMES;
    this.#clock = options.clock ?? monotonicClock;
    this.#leading.promise.catch(() => undefined);
    this.#done = this.#run();
  }

  get isLeading(): boolean {
    return this.#state === 'leader';
  }

  /** Who has the Lease, as far as we know; undefined: nobody had it when we looked last. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** Resolves when we lead; rejects if we are closed before. */
  whenLeading(): Promise<void> {
    return this.#leading.promise;
  }

  /** Lets the next one lead at once: to be called when all that leading meant has ended. */
  async close(): Promise<void> {
    const isFirst = !this.#closing.signal.aborted;
    this.#closing.abort();
    this.#leading.reject(new KeelsonError('UNAVAILABLE', 'the election was closed'));
    await this.#done;
    if (isFirst && this.#state === 'leader') await this.#release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted && this.#state !== 'lost') {
      const delayMs = await this.#turn();
      if (signal.aborted) return;
      await this.#pause(delayMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  /** Returns when the next one is due, from now. */
  async #turn(): Promise<number> {
    const { renewMs, retryMs } = this.#times;
    try {
      await this.#step();
      this.#noteFailure(undefined);
      return this.#state === 'leader' ? renewMs : retryMs;
    } catch (error) {
      // Anything else is a bug of ours.
      if (!(error instanceof KeelsonError)) throw error;
      const wasHeld = this.#held !== undefined;
      this.#held = undefined;
      // Somebody was faster. Who has it now? That is not for a leader to wait for.
      const isRace = isOutdated(error, wasHeld);
      if (!isRace) this.#noteFailure(error);
      return isRace && wasHeld ? 0 : retryMs;
    }
  }

  /** Renews it, takes it if it is free, or sees who has it. */
  async #step(): Promise<void> {
    const { api, lease: name, candidate } = this.#options;
    const lease = this.#held ?? (await this.#within(api.get(LEASES, name)));
    const holder = lease?.spec?.holderIdentity ?? '';
    this.#holder = holder === '' ? undefined : holder;
    if (lease === undefined) {
      const fresh: Lease = { metadata: name, spec: this.#specAfter(undefined) };
      this.#hold(await this.#within(api.create(LEASES, fresh)));
      return;
    }
    const isLeader = this.#state === 'leader';
    const isFree = holder === '' || holder === candidate || (!isLeader && this.#hasRunOut(lease));
    if (isFree) {
      const next = { ...lease, spec: this.#specAfter(lease) };
      this.#hold(await this.#within(api.replace(LEASES, next)));
    } else if (isLeader) {
      this.#lose(holder);
    }
  }

  #hold(lease: Lease): void {
    this.#held = lease;
    this.#holder = this.#options.candidate;
    if (this.#state !== 'candidate') return;
    this.#state = 'leader';
    this.#options.log.info('leading', { candidate: this.#options.candidate });
    this.#leading.resolve();
  }

  #lose(holder: string): void {
    const { candidate, log, onLost } = this.#options;
    this.#state = 'lost';
    log.warn('another one leads', { candidate, holder });
    if (!this.#closing.signal.aborted) onLost(holder);
  }

  #hasRunOut({ metadata, spec }: Lease): boolean {
    const { durationMs } = this.#times;
    const nowMs = this.#clock.nowMs();
    const version = metadata.resourceVersion ?? '';
    const seen = this.#sighting;
    const isKnown = seen?.version === version && nowMs - seen.lastMs <= durationMs / 2;
    this.#sighting = { version, firstMs: isKnown ? seen.firstMs : nowMs, lastMs: nowMs };
    const seconds = spec?.leaseDurationSeconds ?? 0;
    const isSane = seconds > 0 && seconds <= MAX_DURATION_SECONDS;
    return nowMs - this.#sighting.firstMs > (isSane ? seconds * 1000 : durationMs);
  }

  #specAfter(lease: Lease | undefined): NonNullable<Lease['spec']> {
    const { candidate, now } = this.#options;
    const before = lease?.spec;
    const renewTime = microTime(now());
    const isSame = before?.holderIdentity === candidate;
    const changes = (before?.leaseTransitions ?? 0) + (isSame || lease === undefined ? 0 : 1);
    return {
      holderIdentity: candidate,
      leaseDurationSeconds: Math.ceil(this.#times.durationMs / 1000),
      acquireTime: (isSame ? before?.acquireTime : undefined) ?? renewTime,
      renewTime,
      leaseTransitions: changes,
    };
  }

  /** Without a holder, which newer servers want left out rather than empty. */
  async #release(): Promise<void> {
    const { api, lease: name, candidate, log } = this.#options;
    try {
      const lease = this.#held ?? (await this.#within(api.get(LEASES, name)));
      if (lease?.spec?.holderIdentity !== candidate) return;
      const { holderIdentity: _, ...rest } = lease.spec;
      await this.#within(api.replace(LEASES, { ...lease, spec: rest }));
    } catch (error) {
      if (!(error instanceof KeelsonError)) throw error;
      log.warn('the lease stays until it runs out', { reason: error.message });
    }
  }

  /** One connection that is stuck must not cost the lease. */
  async #within<T>(answer: Promise<T>): Promise<T> {
    const { attemptMs } = this.#times;
    const over = new AbortController();
    const limit = this.#pause(attemptMs, over.signal).then(() => {
      const { namespace, name } = this.#options.lease;
      const message = `Lease ${namespace}/${name}: no answer within ${attemptMs / 1000} s`;
      throw new KeelsonError('UNAVAILABLE', message);
    });
    try {
      return await Promise.race([answer, limit]);
    } finally {
      over.abort();
    }
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    return (this.#options.pause ?? pauseFor)(delayMs, signal);
  }

  /** One line when it begins, one when it is over. */
  #noteFailure(error: KeelsonError | undefined): void {
    const { log } = this.#options;
    const isFailing = error !== undefined;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    const fields = { isLeading: this.isLeading };
    if (isFailing) log.warn('the lease is out of reach', { ...fields, reason: error.message });
    else log.info('the lease is within reach again', fields);
  }
}

/** Somebody made, changed or deleted it since we looked; what else is not found is its namespace. */
function isOutdated({ code }: KeelsonError, wasHeld: boolean): boolean {
  return code === 'CONFLICT' || code === 'ALREADY_EXISTS' || (code === 'NOT_FOUND' && wasHeld);
}

/** The server takes exactly six digits of a second (MicroTime in apimachinery's meta/v1). */
function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}

async function pauseFor(delayMs: number, signal: AbortSignal): Promise<void> {
  await pause(delayMs, undefined, { signal });
}
