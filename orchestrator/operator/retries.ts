import { monotonicClock } from '../../replica/common/clock.ts';

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;

/** When to try again what was refused: soon at first, as what is wanting may be on its way. */
export class Retries {
  readonly #counts = new Map<string, number>();

  /** The time of the next try, which comes later each time. */
  next(key: string): number {
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    return (
      monotonicClock.nowMs() + Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(count, 16))
    );
  }

  /** Something is different now, or it is done. */
  forget(key: string): void {
    this.#counts.delete(key);
  }
}
