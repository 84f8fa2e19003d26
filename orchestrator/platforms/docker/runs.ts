import { assert } from '../../../replica/common/assert.ts';
import { monotonicClock } from '../../../replica/common/clock.ts';
import type { ProcessState } from '../../model/view.ts';
import { addressOf } from '../../model/volume.ts';
import { countQuickExits, isFailing } from '../../plan/backoff.ts';
import type { ObservedProcess } from '../../plan/observed.ts';
import type { ProcessSpec } from '../../plan/processes.ts';

/** The latest run of one process. */
export interface Run {
  readonly spec: ProcessSpec;
  state: ProcessState;
  /** undefined until its container is chosen. */
  containerId: string | undefined;
  /** Where that is. */
  node: string | undefined;
  /** Of a controller, once its container is chosen. */
  instanceId: string | undefined;
  readonly startedAtMs: number;
  /** Unix time in seconds from which on the log of its container is about this run. */
  logSince: number;
  /** Its exit was asked for. */
  isStopped: boolean;
  readonly history: History;
  readonly gone: PromiseWithResolvers<void>;
}

interface History {
  readonly quickExits: number;
  readonly exitedAtMs: number;
  /** The first of those exits. */
  readonly failingSinceMs: number;
}

const NO_HISTORY: History = { quickExits: 0, exitedAtMs: 0, failingSinceMs: 0 };

/** What runs or ran, by process: one run of each. */
export class Runs {
  readonly #runs = new Map<string, Run>();

  get(key: string): Run | undefined {
    return this.#runs.get(key);
  }

  all(): Run[] {
    return [...this.#runs.values()];
  }

  ofVolume(volume: string): Run[] {
    return [...this.#runs.values()].filter(({ spec }) => addressOf(spec.volume) === volume);
  }

  inContainer(containerId: string): Run | undefined {
    return [...this.#runs.values()].find((run) => run.containerId === containerId);
  }

  on(nodes: ReadonlySet<string>): Run[] {
    return [...this.#runs.values()].filter(({ node }) => node !== undefined && nodes.has(node));
  }

  /** A new run of a process that is down. */
  begin(spec: ProcessSpec, state: ProcessState): Run {
    const earlier = this.#runs.get(spec.key);
    assert(earlier === undefined || earlier.state === 'down', 'one process per key', {
      key: spec.key,
    });
    const run: Run = {
      ...{ spec, state, containerId: undefined, node: undefined, instanceId: undefined },
      ...{ startedAtMs: monotonicClock.nowMs(), logSince: 0, isStopped: false },
      history: earlier?.history ?? NO_HISTORY,
      gone: Promise.withResolvers<void>(),
    };
    this.#runs.set(spec.key, run);
    return run;
  }

  /** Returns how many times in a row it has exited early by now. */
  end(run: Run): number {
    const exitedAtMs = monotonicClock.nowMs();
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
    const nowMs = monotonicClock.nowMs();
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
