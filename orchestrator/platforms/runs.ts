import { assert } from '../../replica/common/assert.ts';
import { type Clock, monotonicClock } from '../../replica/common/clock.ts';
import type { ProcessState } from '../model/view.ts';
import { addressOf } from '../model/volume.ts';
import { countQuickExits, isFailing } from '../plan/backoff.ts';
import type { ObservedProcess } from '../plan/observed.ts';
import type { ProcessSpec } from '../plan/processes.ts';

/** The latest run of one process; `Place` is where and as what it runs. */
export type Run<Place> = Place & {
  readonly spec: ProcessSpec;
  state: ProcessState;
  readonly startedAtMs: number;
  /** Its exit was asked for. */
  isStopped: boolean;
  readonly history: History;
  readonly gone: PromiseWithResolvers<void>;
};

interface History {
  readonly quickExits: number;
  readonly exitedAtMs: number;
  /** The first of those exits. */
  readonly failingSinceMs: number;
}

const NO_HISTORY: History = { quickExits: 0, exitedAtMs: 0, failingSinceMs: 0 };

/** What runs or ran, by process: one run of each. */
export class Runs<Place> {
  readonly #runs = new Map<string, Run<Place>>();
  readonly #nowhere: () => Place;
  readonly #clock: Clock;

  /** @param nowhere the place of a run that has just begun */
  constructor(nowhere: () => Place, clock: Clock = monotonicClock) {
    this.#nowhere = nowhere;
    this.#clock = clock;
  }

  get(key: string): Run<Place> | undefined {
    return this.#runs.get(key);
  }

  all(): Run<Place>[] {
    return [...this.#runs.values()];
  }

  ofVolume(volume: string): Run<Place>[] {
    return this.all().filter(({ spec }) => addressOf(spec.volume) === volume);
  }

  /** A new run of a process that is down. */
  begin(spec: ProcessSpec, state: ProcessState): Run<Place> {
    const earlier = this.#runs.get(spec.key);
    assert(earlier === undefined || earlier.state === 'down', 'one process per key', {
      key: spec.key,
    });
    const run: Run<Place> = {
      ...this.#nowhere(),
      ...{ spec, state, startedAtMs: this.#clock.nowMs(), isStopped: false },
      history: earlier?.history ?? NO_HISTORY,
      gone: Promise.withResolvers<void>(),
    };
    this.#runs.set(spec.key, run);
    return run;
  }

  /** Returns how many times in a row it has exited early by now. */
  end(run: Run<Place>): number {
    const exitedAtMs = this.#clock.nowMs();
    const quickExits = countQuickExits(run.history.quickExits, exitedAtMs - run.startedAtMs);
    const failingSinceMs = quickExits === 1 ? exitedAtMs : run.history.failingSinceMs;
    run.state = 'down';
    this.#runs.set(run.spec.key, { ...run, history: { quickExits, exitedAtMs, failingSinceMs } });
    run.gone.resolve();
    return quickExits;
  }

  forget(key: string): void {
    this.#runs.delete(key);
  }

  observe(volume: string): ObservedProcess[] {
    const nowMs = this.#clock.nowMs();
    return this.ofVolume(volume).map(({ spec, state, startedAtMs, history }) => {
      const { quickExits, exitedAtMs, failingSinceMs } = history;
      const failing = isFailing({ quickExits, state, upMs: nowMs - startedAtMs });
      return {
        ...{ key: spec.key, role: spec.role, state, quickExits, exitedAtMs },
        failingSinceMs: failing ? failingSinceMs : undefined,
      };
    });
  }
}
