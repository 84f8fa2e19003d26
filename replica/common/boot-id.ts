import { readFileSync } from 'node:fs';

/** The same for all processes until the machine starts anew (I13). Throws the system error. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
