import { type ByteRange, bytesIn, mergeRanges } from '../../replica/common/ranges.ts';
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
  /** What was acknowledged but never flushed may be gone (I13). */
  readonly loss: Loss;
}

/** 'none'; every copy lost power; or the only one that did not is away and is not waited for. */
export type Loss = 'none' | 'all-lost-power' | 'whole-copy-away';

/** Comparing this much takes about a second; with more, the start goes on and it is synced later. */
export const MAX_EQUALISED_BYTES = 256 * 1024 * 1024;

/**
 * Whether a start need not wait any longer: every in-sync copy has come or cannot be used, or, once
 * the wait is over, those that came are enough for `policy`. A copy that may lack acknowledged
 * writes is not enough while one that may have them is away, except in alwayson (I13).
 */
export function mayStart(
  inSync: readonly CopyEntry[],
  policy: FailurePolicy,
  isWaitOver: boolean,
): boolean {
  if (inSync.every((entry) => entry.welcome !== undefined || entry.isForeign)) return true;
  if (!isWaitOver) return false;
  const present = inSync.filter(isHere);
  if (!isIoAllowed(policy, present.length)) return false;
  return present.some(isWhole) || policy.failureMode === 'alwayson';
}

/**
 * @param random in [0, 1): picks among equal primaries (N5)
 * @returns undefined while no in-sync copy has come
 */
export function decideStart(
  inSync: readonly CopyEntry[],
  random: number,
): StartDecision | undefined {
  const here = inSync.filter(isHere);
  // One that failed would fail again; without it the start can go on, if that loses nothing (I13).
  const sound = here.filter((entry) => !entry.hasFailed);
  const isEnough = sound.some(isWhole) || (sound.length > 0 && !here.some(isWhole));
  const present = isEnough ? sound : here;
  const best = Math.min(...present.map(rankOf));
  const candidates = present.filter((entry) => rankOf(entry) === best);
  const primary = candidates[Math.floor(random * candidates.length)];
  if (primary === undefined) return undefined;
  const isMuch = bytesIn(mergeRanges(present.flatMap(tailOf))) > MAX_EQUALISED_BYTES;
  const staying = present.filter(
    (entry) => entry === primary || !isMuch || entry.welcome?.restart === 'none',
  );
  return {
    primary,
    leaving: inSync.filter((entry) => !staying.includes(entry)),
    tail: mergeRanges(staying.flatMap(tailOf)),
    loss: lossOf(primary, inSync),
  };
}

/**
 * When every in-sync copy dropped its connection, the one that goes on: the first to return that
 * has all it ever answered. One that lost power only when all did, or when the mode is alwayson.
 */
export function chooseSurvivor(
  inSync: readonly CopyEntry[],
  policy: FailurePolicy,
): { readonly survivor: CopyEntry; readonly loss: Loss } | undefined {
  const here = inSync.filter(isHere);
  const survivor = here.find(isWhole) ?? here[0];
  if (survivor === undefined) return undefined;
  const loss = lossOf(survivor, inSync);
  if (loss === 'whole-copy-away' && policy.failureMode !== 'alwayson') return undefined;
  return { survivor, loss };
}

/** Why a copy that came may not be used as the record lists it, or undefined when it may. */
export function whyForeign(entry: CopyEntry, volumeBytes: number): string | undefined {
  const { record, welcome } = entry;
  if (welcome === undefined) return undefined;
  if (record.state !== 'in-sync') return undefined; // it may grow before it syncs
  if (welcome.sizeBytes < volumeBytes) {
    return `holds ${welcome.sizeBytes} bytes, the volume has ${volumeBytes}`;
  }
  if (record.dataId === null) {
    return welcome.isPristine ? undefined : 'was written to before it ever belonged to the volume';
  }
  return record.dataId === welcome.dataId ? undefined : `has data id ${welcome.dataId}`;
}

function isHere(entry: CopyEntry): boolean {
  return entry.welcome !== undefined && !entry.isForeign;
}

function isWhole(entry: CopyEntry): boolean {
  return entry.welcome?.restart !== 'may-lack-writes';
}

/** A process that never died before one that restarted before one that lost power. */
function rankOf(entry: CopyEntry): number {
  if (!isWhole(entry)) return 2;
  return entry.welcome?.restart === 'killed' ? 1 : 0;
}

function lossOf(primary: CopyEntry, inSync: readonly CopyEntry[]): Loss {
  if (isWhole(primary)) return 'none';
  const isAnyAway = inSync.some((entry) => entry.welcome === undefined && !entry.isForeign);
  return isAnyAway ? 'whole-copy-away' : 'all-lost-power';
}

function tailOf(entry: CopyEntry): readonly ByteRange[] {
  return entry.welcome?.tail ?? [];
}
