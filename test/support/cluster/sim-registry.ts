import { type Membership, whyInvalidChange } from '../../../controller/protocol/membership.ts';
import { Valve } from './network.ts';
import type { Scheduler } from './scheduler.ts';

/** A controller stops waiting for an answer after this long. */
const TIMEOUT_MS = 30;

/**
 * The registry: the real rules of its compare-and-swap, behind a network that loses questions and
 * answers and delivers some long after the asker has given up.
 */
export class SimRegistry {
  record: Membership;
  /** Share of the changes whose question or answer goes astray. */
  lossRate = 0;
  /** Holds back answers, never the change itself. */
  readonly answers = new Valve();
  /** Every record that was ever stored. */
  readonly history: Membership[] = [];
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, record: Membership) {
    this.#scheduler = scheduler;
    this.record = record;
  }

  /** Calls `answer` once, with undefined when nothing came in time. */
  change(next: Membership, answer: (current: Membership | undefined) => void): void {
    const scheduler = this.#scheduler;
    let isOver = false;
    const finish = (current: Membership | undefined): void => {
      if (isOver) return;
      if (this.answers.isShut) {
        this.answers.hold(() => finish(current));
        return;
      }
      isOver = true;
      answer(current);
    };
    scheduler.after(TIMEOUT_MS, () => finish(undefined));
    const isLossy = scheduler.chance(this.lossRate);
    const isLate = isLossy && scheduler.chance(0.5);
    scheduler.after(scheduler.between(0.5, isLate ? 3 * TIMEOUT_MS : 4), () => {
      if (whyInvalidChange(this.record, next) === undefined) {
        this.record = next;
        this.history.push(next);
      }
      const current = this.record;
      if (!isLossy) scheduler.after(scheduler.between(0.5, 4), () => finish(current));
    });
  }
}
