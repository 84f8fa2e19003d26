import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicClock } from '../../../replica/common/clock.ts';
import type { StartedInstance } from '../../model/instance.ts';
import { fateOf } from '../../plan/fate.ts';
import { lookAt, readProcessSpace } from './process-identity.ts';

/**
 * A controller whose orchestrator died stops by itself: 1 s for its initiators to log out, 5 s for
 * what is under way. Its successor would wait for its leases for 7 s more, and could not have its
 * ports before that.
 */
const END_WAIT_MS = 7_000;

/** Nothing tells of the end of a process that is not our child. */
const POLL_MS = 20;

/**
 * Which controllers of an earlier orchestrator are known to be gone. Those that still live are
 * waited for, at most `waitMs`.
 */
export async function findGone(
  instances: readonly StartedInstance[],
  waitMs = END_WAIT_MS,
): Promise<StartedInstance[]> {
  const here = readProcessSpace();
  if (here === undefined) return [];
  const deadlineMs = monotonicClock.nowMs() + waitMs;
  for (;;) {
    const fates = instances.map(({ process }) => fateOf(process, here, lookAt(process.pid)));
    if (!fates.includes('alive') || monotonicClock.nowMs() >= deadlineMs) {
      return instances.filter((_, index) => fates[index] === 'gone');
    }
    await sleep(POLL_MS);
  }
}
