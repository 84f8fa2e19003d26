import { type ByteRange, mergeRanges } from '../../replica/common/ranges.ts';
import { type FailurePolicy, isIoAllowed } from './availability.ts';
import type { CopyEntry } from './copies.ts';

/**
 * The decisions of a controller's start (design section 5, "Controller start") once copies have
 * come or not come. Pure functions of the copies that the record lists in-sync.
 */
export interface StartDecision {
  readonly primary: CopyEntry;
  /** In-sync copies that the start goes on without: they are struck off and synced later. */
  readonly leaving: readonly CopyEntry[];
  /** What an earlier controller may have left half done on any staying copy (I6). */
  readonly tail: readonly ByteRange[];
}

/**
 * Whether a start need not wait any longer: every in-sync copy has come or cannot be used, or, once
 * the wait is over, those that came are enough for `policy`.
 *
 * @param policy undefined while the wait is not over
 */
export function mayStart(inSync: readonly CopyEntry[], policy: FailurePolicy | undefined): boolean {
  if (inSync.every((entry) => entry.welcome !== undefined || entry.isForeign)) return true;
  const present = inSync.filter((entry) => entry.welcome !== undefined && !entry.isForeign);
  return policy !== undefined && isIoAllowed(policy, present.length);
}

/**
 * @param random in [0, 1): picks among equal primaries (N5)
 * @returns undefined while no in-sync copy has come
 */
export function decideStart(
  inSync: readonly CopyEntry[],
  random: number,
): StartDecision | undefined {
  const here = inSync.filter((entry) => entry.welcome !== undefined && !entry.isForeign);
  // One that failed would fail again; without it the start can go on.
  const sound = here.filter((entry) => !entry.hasFailed);
  const present = sound.length > 0 ? sound : here;
  // A process that never died knows its tail; one that restarted may differ anywhere from the
  // others, so it cannot stay in-sync beside them until it was synced.
  const known = present.filter((entry) => entry.welcome?.tail.known);
  const candidates = known.length > 0 ? known : present;
  const primary = candidates[Math.floor(random * candidates.length)];
  if (primary === undefined) return undefined;
  const staying = known.length > 0 ? known : [primary];
  return {
    primary,
    leaving: inSync.filter((entry) => !staying.includes(entry)),
    tail: mergeRanges(staying.flatMap(tailOf)),
  };
}

/** Why a copy that came may not be used as the record lists it, or undefined when it may. */
export function whyForeign(entry: CopyEntry, volumeBytes: number): string | undefined {
  const { record, welcome } = entry;
  if (welcome === undefined) return undefined;
  if (welcome.sizeBytes < volumeBytes) {
    return `holds ${welcome.sizeBytes} bytes, the volume has ${volumeBytes}`;
  }
  if (record.state !== 'in-sync') return undefined;
  if (record.dataId === null) {
    return welcome.isPristine ? undefined : 'was written to before it ever belonged to the volume';
  }
  return record.dataId === welcome.dataId ? undefined : `has data id ${welcome.dataId}`;
}

function tailOf(entry: CopyEntry): readonly ByteRange[] {
  const tail = entry.welcome?.tail;
  return tail?.known ? tail.ranges : [];
}
