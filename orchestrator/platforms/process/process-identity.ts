import { readFileSync, readlinkSync } from 'node:fs';
import { readBootId } from '../../../replica/common/boot-id.ts';
import { systemCodeOf } from '../../../replica/common/errors.ts';
import type { ProcessIdentity, ProcessSpace } from '../../model/instance.ts';
import type { SeenProcess } from '../../plan/fate.ts';

/**
 * Where the pids mean something that this process sees. undefined where /proc belongs to another pid
 * namespace than ours, or is not there: what it shows would prove nothing about our children.
 */
export function readProcessSpace(): ProcessSpace | undefined {
  try {
    // One id for each namespace from that of /proc down to our own: one id, the same namespace.
    if (!/^NSpid:\t\d+$/m.test(readFileSync('/proc/self/status', 'utf8'))) return undefined;
    return {
      bootId: readBootId(),
      pidNamespace: readlinkSync('/proc/self/ns/pid'),
    };
  } catch {
    return undefined;
  }
}

/** Of a child that has not been waited for, so that its id cannot be another's yet. */
export function identify(pid: number, space: ProcessSpace): ProcessIdentity | undefined {
  const seen = readStat(pid);
  return seen === 'hidden' ? undefined : { ...space, pid, startTicks: seen.startTicks };
}

export function lookAt(pid: number): SeenProcess {
  try {
    process.kill(pid, 0); // asks the kernel itself: /proc may be mounted to hide processes
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return 'none';
  }
  return readStat(pid);
}

/** /proc/PID/stat (proc(5)): field 3 is the state, 22 the start; the name, field 2, may hold anything. */
function readStat(pid: number): Exclude<SeenProcess, 'none'> {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const startTicks = Number(fields[22 - 3]);
    if (!Number.isSafeInteger(startTicks)) return 'hidden';
    return { startTicks, isZombie: fields[0] === 'Z' };
  } catch {
    return 'hidden'; // or it has just ended: the next look tells
  }
}
