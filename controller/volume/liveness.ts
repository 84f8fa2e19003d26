import type { CopyEntry } from './copies.ts';
import type { CopyMask } from './step.ts';
import type { Timing } from './timing.ts';

/** Tells, whenever it is asked, which connected copies must be given up for lost (design section 5). */
export class Liveness {
  readonly #timing: Timing;
  /** Whether a copy has owed an answer since before `sinceMs`. */
  readonly #isOverdue: (copy: CopyMask, sinceMs: number) => boolean;
  #lastTickMs = 0;

  constructor(timing: Timing, isOverdue: (copy: CopyMask, sinceMs: number) => boolean) {
    this.#timing = timing;
    this.#isOverdue = isOverdue;
  }

  start(nowMs: number): void {
    this.#lastTickMs = nowMs;
  }

  /**
   * To be called at every tick: after our own sleep (SIGSTOP, a suspended machine) the silence was ours,
   * not the copies'.
   */
  forgiveSleep(entries: readonly CopyEntry[], nowMs: number): void {
    const hasSlept = nowMs - this.#lastTickMs > 2 * this.#timing.heartbeatMs;
    this.#lastTickMs = nowMs;
    if (!hasSlept) return;
    for (const entry of entries) if (entry.welcome !== undefined) entry.lastHeardMs = nowMs;
  }

  findLost(entries: readonly CopyEntry[], nowMs: number): { entry: CopyEntry; reason: string }[] {
    return entries.flatMap((entry) => {
      if (entry.welcome === undefined) return [];
      const reason = this.#whyLost(entry, nowMs);
      return reason === undefined ? [] : [{ entry, reason }];
    });
  }

  /**
   * When the first copy that has missed a beat counts as lost, unless it is heard before; Infinity when
   * none has. The next beat may come up to a second after that: too late for whoever waits.
   */
  nextLossMs(entries: readonly CopyEntry[], nowMs: number): number {
    const { silenceMs, heartbeatMs } = this.#timing;
    const losses = entries
      .filter(({ welcome }) => welcome !== undefined)
      .map(({ lastHeardMs }) => lastHeardMs + silenceMs)
      .filter((lossMs) => lossMs < nowMs + heartbeatMs);
    return Math.min(...losses, Number.POSITIVE_INFINITY);
  }

  #whyLost(entry: CopyEntry, nowMs: number): string | undefined {
    const { silenceMs, operationMs } = this.#timing;
    if (nowMs >= entry.lastHeardMs + silenceMs) return `silent for ${silenceMs} ms`;
    if (this.#isOverdue(entry.bit, nowMs - operationMs)) {
      return `an operation took ${operationMs} ms`;
    }
    return undefined;
  }
}
