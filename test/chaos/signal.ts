import { isAlive } from '../support/processes.ts';

/** The process may be gone by now, ended by another fault. */
export function signal(pid: number, name: NodeJS.Signals): void {
  if (isAlive(pid)) process.kill(pid, name);
}
