import { monotonicClock } from '../../replica/common/clock.ts';

/** Lets callers pass one after the other, never more in a second than it was made for. */
export class Pace {
  readonly #gapMs: number;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Map<NodeJS.Timeout, (mayGo: boolean) => void>();
  #isClosed = false;

  constructor(perSecond: number) {
    this.#gapMs = 1000 / perSecond;
  }

  /** Resolves when it is the caller's turn; with false when everything ends. */
  turn(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    const nowMs = monotonicClock.nowMs();
    const atMs = Math.max(nowMs, this.#nextAtMs);
    this.#nextAtMs = atMs + this.#gapMs;
    if (atMs <= nowMs) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      resolve(true);
    }, atMs - nowMs);
    this.#waiting.set(timer, resolve);
    return promise;
  }

  close(): void {
    this.#isClosed = true;
    for (const [timer, resolve] of this.#waiting) {
      clearTimeout(timer);
      resolve(false);
    }
    this.#waiting.clear();
  }
}
