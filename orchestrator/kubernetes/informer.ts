import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Clock, monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { Change, Informer } from './kube-api.ts';
import type { Listed, WatchEvent } from './lister.ts';
import { ObjectCache } from './object-cache.ts';
import type { KubeObject, ObjectName } from './objects.ts';
import { isOlder } from './resource-version.ts';

/** Where an informer has it from: lister.ts. */
export interface Source<T extends KubeObject> {
  list(): Promise<Listed<T>>;
  watch(
    resourceVersion: string,
    door: { readonly signal: AbortSignal; readonly onOpen: () => void },
  ): AsyncIterable<WatchEvent<T>>;
}

export interface InformerOptions {
  readonly onClose?: () => void;
  readonly clock?: Clock;
  /** Rejects when `signal` aborts. */
  readonly pause?: (delayMs: number, signal: AbortSignal) => Promise<void>;
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** A watch that was open for so long has worked: what comes next is a first failure. */
const LASTING_MS = 5_000;

/**
 * Lists once and watches from then on; from where it was when a watch ends, and all anew when the server
 * does not remember that any more.
 */
export class KubeInformer<T extends KubeObject> implements Informer<T> {
  readonly ready: Promise<void>;
  readonly #source: Source<T>;
  readonly #options: InformerOptions;
  readonly #clock: Clock;
  readonly #cache = new ObjectCache<T>();
  readonly #listeners: ((change: Change<T>) => void)[] = [];
  readonly #closing = new AbortController();
  readonly #firstList = Promise.withResolvers<void>();
  #down: { readonly sinceMs: number; readonly reason: string } | undefined;
  /** The newest version that the server has told of by itself. */
  #seenVersion = '';
  #isListDue = true;
  /** Whether the last turn had a watch that the server took up. */
  #isWatchOpen = false;
  #failures = 0;

  constructor(source: Source<T>, options: InformerOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.#clock = options.clock ?? monotonicClock;
    this.ready = this.#firstList.promise;
    // Whoever does not wait for it has no use for its rejection either.
    this.ready.catch(() => undefined);
    void this.#run();
  }

  get down(): { readonly sinceMs: number; readonly reason: string } | undefined {
    return this.#down;
  }

  get(name: ObjectName): T | undefined {
    return this.#cache.get(name);
  }

  all(): readonly T[] {
    return this.#cache.all();
  }

  note(object: T): void {
    this.#tell(this.#cache.put(object));
  }

  noteGone(name: ObjectName & { readonly uid?: string }, uid = name.uid): void {
    this.#tell(this.#cache.noteGone(name, uid));
  }

  subscribe(listener: (change: Change<T>) => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#firstList.reject(new KeelsonError('UNAVAILABLE', 'the informer was closed'));
    this.#options.onClose?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { pause: wait = pauseFor } = this.#options;
    while (!signal.aborted) {
      const delayMs = await this.#turn();
      if (delayMs === 0 || signal.aborted) continue;
      await wait(delayMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  /** One list, or one watch for as long as it lasts. Returns when the next may begin, from now. */
  async #turn(): Promise<number> {
    this.#isWatchOpen = false;
    try {
      if (this.#isListDue) {
        await this.#list();
        return 0;
      }
      // One that ends at once, again and again, is not asked for without a pause.
      const hasLasted = await this.#watch();
      return hasLasted ? 0 : this.#countFailure();
    } catch (error) {
      // What is no KeelsonError is a bug of ours.
      if (!(error instanceof KeelsonError)) throw error;
      if (error.code !== 'UNAVAILABLE') this.#isListDue = true;
      // A server that has forgotten where we were does answer; one that ended a watch may still.
      const isAnswer = error.code === 'CONFLICT' || this.#isWatchOpen;
      if (!isAnswer) this.#noteDown(error.message);
      return this.#countFailure();
    }
  }

  async #list(): Promise<void> {
    const list = this.#cache.beginList();
    const listed = await this.#source.list();
    if (this.#closing.signal.aborted) return;
    // A quorum has answered, so nothing older can be: somebody restored a backup of its database.
    const isPutBack = isOlder(listed.resourceVersion, this.#seenVersion);
    this.#seenVersion = listed.resourceVersion;
    this.#isListDue = false;
    this.#down = undefined;
    const changes = this.#cache.take(listed, { list, isPutBack });
    for (const change of changes) this.#tell(change);
    this.#firstList.resolve();
  }

  /** Whether it was of some use. */
  async #watch(): Promise<boolean> {
    const { signal } = this.#closing;
    let openedMs = Number.POSITIVE_INFINITY;
    const onOpen = () => {
      openedMs = this.#clock.nowMs();
      this.#isWatchOpen = true;
      this.#down = undefined;
    };
    try {
      for await (const event of this.#source.watch(this.#seenVersion, { signal, onOpen })) {
        if (signal.aborted) break;
        this.#take(event);
      }
    } finally {
      if (this.#clock.nowMs() - openedMs >= LASTING_MS) this.#failures = 0;
    }
    return this.#clock.nowMs() - openedMs >= LASTING_MS;
  }

  #take(event: WatchEvent<T>): void {
    if (event.type === 'broken') {
      this.#isListDue = true;
      throw event.error;
    }
    const version =
      event.type === 'bookmark' ? event.resourceVersion : event.object.metadata.resourceVersion;
    if (isOlder(version ?? '', this.#seenVersion)) {
      this.#isListDue = true;
      throw new KeelsonError('CONFLICT', 'the Kubernetes API has gone back to an earlier version');
    }
    this.#seenVersion = version ?? this.#seenVersion;
    if (event.type === 'changed') this.#tell(this.#cache.put(event.object));
    if (event.type === 'gone') this.#tell(this.#cache.putGone(event.object));
  }

  /** Half to all of it, so that many that failed at the same time do not come back so. */
  #countFailure(): number {
    this.#failures += 1;
    const doublings = Math.min(this.#failures - 1, 16);
    const longestMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** doublings);
    return randomInt(longestMs / 2, longestMs + 1);
  }

  #noteDown(reason: string): void {
    this.#down = { sinceMs: this.#down?.sinceMs ?? this.#clock.nowMs(), reason };
  }

  #tell(change: Change<T> | undefined): void {
    if (change === undefined) return;
    for (const listener of this.#listeners) listener(change);
  }
}

async function pauseFor(delayMs: number, signal: AbortSignal): Promise<void> {
  await pause(delayMs, undefined, { signal });
}
