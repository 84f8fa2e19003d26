import type { ProcessState } from '../model/view.ts';

/** A process that stayed up this long was healthy: its next exit is a first one again. */
export const STABLE_AFTER_MS = 10_000;

/** What announces nothing (a node that is back, a sync that gets on) is looked at this often. */
export const LOOK_AGAIN_MS = 1_000;

/** One early exit is an accident; from the second in a row on, a process does not stay up. */
const FAILING_FROM_EXITS = 2;

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** How many times in a row a process has exited early, this exit included. */
export function countQuickExits(earlier: number, upMs: number): number {
  return upMs >= STABLE_AFTER_MS ? 1 : earlier + 1;
}

/** Whether a process with early exits behind it has yet to show that it stays up. */
export function isFailing(process: {
  readonly quickExits: number;
  readonly state: ProcessState;
  /** Since it was last started. */
  readonly upMs: number;
}): boolean {
  const { quickExits, state, upMs } = process;
  const isStable = state === 'ready' && upMs >= STABLE_AFTER_MS;
  return quickExits >= FAILING_FROM_EXITS && !isStable;
}

/**
 * How long to wait before the next start: not at all after a first exit, because a restart is what
 * the initiator waits for; then 100, 200, 400 … ms, so that a process that cannot start costs
 * nothing worth mentioning.
 */
export function restartDelayMs(quickExits: number): number {
  if (quickExits <= 1) return 0;
  return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(quickExits - 2, 16));
}
