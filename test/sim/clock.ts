import type { SeededRandom } from '../support/random.ts';
import type { Scheduler } from './scheduler.ts';

/** The most that a clock runs fast or slow. Leases allow for a fifth between two of them (ADR 0013). */
const MAX_DRIFT = 0.1;

/** A process's monotonic clock: it began anywhere and runs a little fast or slow, but never jumps. */
export class Clock {
  readonly #scheduler: Scheduler;
  readonly #offsetMs: number;
  readonly #rate: number;

  constructor(scheduler: Scheduler, hasDrift: boolean) {
    this.#scheduler = scheduler;
    const { random } = scheduler;
    this.#offsetMs = hasDrift ? random.between(0, 1_000_000) : 0;
    this.#rate = hasDrift ? 1 + pickDrift(random) : 1;
  }

  get nowMs(): number {
    return this.#offsetMs + this.#scheduler.nowMs * this.#rate;
  }

  /** Real time that passes while this clock shows that `localMs` went by. */
  realMs(localMs: number): number {
    return localMs / this.#rate;
  }
}

/** The extremes are where mistakes show. */
function pickDrift(random: SeededRandom): number {
  return random.pick([-MAX_DRIFT, 0, MAX_DRIFT, random.between(-MAX_DRIFT, MAX_DRIFT)]);
}
