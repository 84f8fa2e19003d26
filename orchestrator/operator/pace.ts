import { monotonicClock } from '../../replica/common/clock.ts';

type Turn = (mayGo: boolean) => void;

/** Lets callers pass one after the other, never more in a second than it was made for. */
export class Pace {
  readonly #gapMs: number;
  readonly #urgent: Turn[] = [];
  readonly #others: Turn[] = [];
  #lastAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(perSecond: number) {
    this.#gapMs = 1000 / perSecond;
  }

  /**
   * Resolves when it is the caller's turn; with false when everything ends.
   *
   * @param isUrgent before all that are not
   */
  turn({ isUrgent } = { isUrgent: false }): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    (isUrgent ? this.#urgent : this.#others).push(resolve);
    if (this.#timer === undefined) this.#go();
    return promise;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const resolve of [...this.#urgent.splice(0), ...this.#others.splice(0)]) resolve(false);
  }

  #go(): void {
    this.#timer = undefined;
    const waitMs = this.#lastAtMs + this.#gapMs - monotonicClock.nowMs();
    if (waitMs <= 0) {
      const next = this.#urgent.shift() ?? this.#others.shift();
      if (next === undefined) return;
      this.#lastAtMs = monotonicClock.nowMs();
      next(true);
    }
    const isAnyoneWaiting = this.#urgent.length + this.#others.length > 0;
    if (isAnyoneWaiting)
      this.#timer = setTimeout(() => this.#go(), waitMs > 0 ? waitMs : this.#gapMs);
  }
}
