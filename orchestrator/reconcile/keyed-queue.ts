import { monotonicClock } from '../../replica/common/clock.ts';

/** Does the work of one key; returns when to come back if nothing happens before. */
export type Reconcile = (key: string) => Promise<number | undefined>;

interface Entry {
  isRunning: boolean;
  /** Something happened while it was running: once more, however often it happened. */
  isDirty: boolean;
  timer: NodeJS.Timeout | undefined;
}

const RETRY_MS = 1_000;

/**
 * The level-triggered loop: keys in, one worker at a time per key, duplicates collapsed. The first
 * step of the work runs within `add`, so that a dead process is replaced in the turn in which its
 * exit is seen.
 */
export class KeyedQueue {
  readonly #reconcile: Reconcile;
  readonly #onError: (key: string, error: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  #isClosed = false;

  constructor(reconcile: Reconcile, onError: (key: string, error: unknown) => void) {
    this.#reconcile = reconcile;
    this.#onError = onError;
  }

  add(key: string): void {
    if (this.#isClosed) return;
    const entry = this.#entries.get(key) ?? { isRunning: false, isDirty: false, timer: undefined };
    this.#entries.set(key, entry);
    clearTimeout(entry.timer);
    if (entry.isRunning) entry.isDirty = true;
    else void this.#run(key, entry);
  }

  /** Starts no more work. Work under way finishes. */
  close(): void {
    this.#isClosed = true;
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
  }

  async #run(key: string, entry: Entry): Promise<void> {
    entry.isRunning = true;
    let wakeAtMs: number | undefined;
    do {
      entry.isDirty = false;
      try {
        wakeAtMs = await this.#reconcile(key);
      } catch (error) {
        this.#onError(key, error);
        wakeAtMs = monotonicClock.nowMs() + RETRY_MS;
      }
    } while (entry.isDirty && !this.#isClosed);
    entry.isRunning = false;
    if (this.#isClosed) return;
    if (wakeAtMs === undefined) this.#entries.delete(key);
    else {
      const delayMs = Math.max(0, wakeAtMs - monotonicClock.nowMs());
      // Rounded up: a timer that fires early would only plan the same wait again.
      entry.timer = setTimeout(() => this.add(key), Math.ceil(delayMs) + 1);
    }
  }
}
