import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../../model/address-plan.ts';
import { probeByTcp } from '../prober.ts';
import type { Run } from './runs.ts';

/** A portal that does not answer this often in a row, so far apart, is taken for dead. */
const MAX_FAILURES = 4;
const INTERVAL_MS = 250;
const ANSWER_MS = 250;

/** One that answers is asked again less often, for as long as its engine is away. */
const QUIET_INTERVAL_MS = 1_000;

/**
 * Controllers on engines that do not answer. Such a controller may well serve, as when only the
 * engine itself is restarted: so its portal is asked. If that is silent as well, it counts as ended,
 * and another one is started elsewhere. Should it live after all, the epoch keeps it out (I4).
 */
export class CutOffControllers {
  readonly #isCutOff: (run: Run) => boolean;
  readonly #portalOf: (run: Run) => Endpoint;
  readonly #onLost: (run: Run) => void;
  readonly #watched = new Set<Run>();

  constructor(options: {
    /** Whether it is still unknown what became of a run. */
    readonly isCutOff: (run: Run) => boolean;
    readonly portalOf: (run: Run) => Endpoint;
    readonly onLost: (run: Run) => void;
  }) {
    this.#isCutOff = options.isCutOff;
    this.#portalOf = options.portalOf;
    this.#onLost = options.onLost;
  }

  look(runs: readonly Run[]): void {
    for (const run of runs) {
      if (this.#watched.has(run) || !this.#isCutOff(run)) continue;
      this.#watched.add(run);
      void this.#watch(run).finally(() => this.#watched.delete(run));
    }
  }

  async #watch(run: Run): Promise<void> {
    let failures = 0;
    while (this.#isCutOff(run)) {
      const isAnswered = (await probeByTcp(this.#portalOf(run), ANSWER_MS)) === 'open';
      failures = isAnswered ? 0 : failures + 1;
      if (failures === MAX_FAILURES) {
        if (this.#isCutOff(run)) this.#onLost(run);
        return;
      }
      await sleep(failures === 0 ? QUIET_INTERVAL_MS : INTERVAL_MS);
    }
  }
}
