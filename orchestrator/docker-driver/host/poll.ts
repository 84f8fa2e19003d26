import { setTimeout } from 'node:timers/promises';
import { monotonicClock } from '../../../replica/common/clock.ts';

/**
 * Asks until there is an answer or the time is over, for facts that nothing announces: the kernel tells
 * udev of new disks, and a host need not have one. Undefined when the time is over.
 */
export async function poll<T>(
  check: () => Promise<T | undefined>,
  { withinMs, everyMs }: { readonly withinMs: number; readonly everyMs: number },
): Promise<T | undefined> {
  const endMs = monotonicClock.nowMs() + withinMs;
  for (;;) {
    const found = await check();
    if (found !== undefined || monotonicClock.nowMs() >= endMs) return found;
    await setTimeout(everyMs);
  }
}
