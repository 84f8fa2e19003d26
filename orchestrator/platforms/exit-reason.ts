/** Exit code of a replica that found another disk than its node's (replica/main.ts). */
export const WRONG_DISK_EXIT_CODE = 3;

/** Exit codes of processes that a signal ended are above this, by its number. */
const SIGNAL_EXIT_CODE = 128;
const MAX_SIGNAL = 64;
const SIGNALS: Readonly<Record<number, string>> = { 6: 'SIGABRT', 9: 'SIGKILL', 15: 'SIGTERM' };

/** Whether a process that ended so may have said why. */
export function mayHaveSaidWhy(exitCode: number): boolean {
  return exitCode !== 0 && !isSignal(exitCode);
}

/** Others above 128 are what an engine says when it does not know. */
function isSignal(exitCode: number): boolean {
  return exitCode > SIGNAL_EXIT_CODE && exitCode <= SIGNAL_EXIT_CODE + MAX_SIGNAL;
}

/** `code 0`, `signal SIGKILL`, or `code 1: ` and the last words of the process. */
export function showExit(exitCode: number, words?: string): string {
  if (mayHaveSaidWhy(exitCode)) {
    return words === undefined ? `code ${exitCode}` : `code ${exitCode}: ${words}`;
  }
  if (exitCode === 0) return 'code 0';
  const signal = exitCode - SIGNAL_EXIT_CODE;
  return `signal ${SIGNALS[signal] ?? signal}`;
}
