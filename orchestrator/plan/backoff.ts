/** A process that stayed up this long was healthy: its next exit is a first one again. */
export const STABLE_AFTER_MS = 10_000;

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** How many times in a row a process has exited early, this exit included. */
export function countQuickExits(earlier: number, upMs: number): number {
  return upMs >= STABLE_AFTER_MS ? 1 : earlier + 1;
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
