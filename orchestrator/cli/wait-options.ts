import type { Given, Options } from './command.ts';
import { UsageError } from './errors.ts';
import { parseDuration } from './values.ts';

/** Of commands that begin something and come back at once, unless they are asked to wait. */
export const WAIT = {
  wait: { type: 'flag', about: 'come back when all copies are in sync' },
  timeout: {
    type: 'text',
    value: 'TIME',
    about: 'with --wait: for at most 90s, 5m, 2h; default: no limit',
  },
} as const satisfies Options;

/** How long to wait; undefined: not at all. Units: milliseconds. Errors: UsageError. */
export function readWait({ wait, timeout }: Given<typeof WAIT>): number | undefined {
  if (timeout === undefined) return wait ? Infinity : undefined;
  if (!wait) throw new UsageError('--timeout: expected --wait with it');
  return parseDuration('timeout', timeout);
}
