import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** Arguments joined by spaces; the same again after a restart of the same role. */
  readonly command: string;
}

/** User and system time since the process began, as /proc counts it: 100 ticks a second. */

/** All processes below `ancestor`, whatever their depth. */
export function descendantsOf(ancestor: number): ProcessInfo[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((info) => info !== undefined);
  const found: ProcessInfo[] = [];
  const wanted = [ancestor];
  for (let at = 0; at < wanted.length; at++) {
    for (const info of all) {
      if (info.parent !== wanted[at]) continue;
      found.push(info);
      wanted.push(info.pid);
    }
  }
  return found;
}

/** To the nanosecond: the usual counters sample at 100 Hz, which is blind to what timers start. */
export function cpuSecondsOf(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [running] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    nanoseconds += Number(running);
  }
  return nanoseconds / 1e9;
}

export function residentMiBOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

export function isAlive(pid: number): boolean {
  try {
    return statFields(pid)[0] !== 'Z';
  } catch {
    return false;
  }
}

function readProcess(pid: number): ProcessInfo | undefined {
  try {
    const fields = statFields(pid);
    if (fields[0] === 'Z') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(fields[1]), command };
  } catch {
    return undefined; // it ended while we looked
  }
}

/** Fields of /proc/PID/stat from the state on; the name before may hold spaces and brackets. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
