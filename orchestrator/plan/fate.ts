import type { ProcessIdentity, ProcessSpace } from '../model/instance.ts';

/** What has a pid at this moment: nothing, something that does not show itself, or a process. */
export type SeenProcess =
  | 'none'
  | 'hidden'
  | {
      readonly startTicks: number;
      /** All that is left of it is the exit code that nobody has asked for yet. */
      readonly isZombie: boolean;
    };

/**
 * `gone` only when that is proved: leases on reads of such a controller are not waited for (I7), so
 * a wrong one would let two controllers read. `unknown` costs time, never data.
 */
export type Fate = 'gone' | 'alive' | 'unknown';

/**
 * What became of a process that an earlier orchestrator started on this machine.
 *
 * @param here where its pid was looked up
 * @param seen what has that pid now
 */
export function fateOf(process: ProcessIdentity, here: ProcessSpace, seen: SeenProcess): Fate {
  if (process.bootId !== here.bootId) return 'gone';
  // An orchestrator in another container: there its children may live, unseen from here.
  if (process.pidNamespace !== here.pidNamespace) return 'unknown';
  if (seen === 'none') return 'gone';
  if (seen === 'hidden') return 'alive'; // it may be
  if (seen.isZombie) return 'gone';
  return seen.startTicks === process.startTicks ? 'alive' : 'gone';
}
