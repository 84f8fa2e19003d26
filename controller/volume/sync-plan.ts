import { REGION_BYTES } from '../../replica/common/limits.ts';
import type { ByteRange } from '../../replica/common/ranges.ts';
import { STAMP, STAMP_BYTES } from '../../replica/protocol/stamps.ts';

/** One piece of a sync: whole regions, short enough that writes held for it do not notice. */
export interface SyncTask extends ByteRange {
  /** Compare hashes first; copy only what differs. */
  readonly isCompared: boolean;
}

/** What a copy has, as far as its record tells. */
export interface KnownContent {
  /** It has everything that is stamped with this generation or a lower one; 0: nothing is known. */
  readonly generation: number;
  /** Never written to: what is not stamped is a hole. */
  readonly isPristine: boolean;
}

/**
 * Regions are compared many at a time, since only hashes travel, but copied one by one: each has a
 * stamp of its own, and is locked against new writes no longer than it travels.
 */
const COMPARE_BYTES = 16 * REGION_BYTES;

/**
 * What must be done to the regions of one window so that the target equals the source (ADR 0012).
 *
 * @param stamps one u32 LE per region from `range.start` on, of each of the two copies
 */
export function planWindow(
  range: ByteRange,
  stamps: { readonly source: Buffer; readonly target: Buffer },
  known: KnownContent,
): SyncTask[] {
  const tasks: SyncTask[] = [];
  const regionCount = regionCountOf(range);
  let compared: { start: number; end: number; isCompared: true } | undefined;
  for (let region = 0; region < regionCount; region += 1) {
    const at = region * STAMP_BYTES;
    const need = needOf(stamps.source.readUInt32LE(at), stamps.target.readUInt32LE(at), known);
    if (need === 'nothing') continue;
    const start = range.start + region * REGION_BYTES;
    const end = Math.min(start + REGION_BYTES, range.end);
    if (need === 'copy') {
      tasks.push({ start, end, isCompared: false });
    } else if (compared?.end === start && end - compared.start <= COMPARE_BYTES) {
      compared.end = end;
    } else {
      compared = { start, end, isCompared: true };
      tasks.push(compared);
    }
  }
  return tasks;
}

function needOf(
  source: number,
  target: number,
  { generation, isPristine }: KnownContent,
): 'nothing' | 'compare' | 'copy' {
  const isCertain = generation > 0 || isPristine;
  const isNewer = source > generation || target > generation; // UNKNOWN is above every generation
  const isExtra = source === STAMP.NEVER && target !== STAMP.NEVER;
  if (isCertain && !isNewer && !isExtra) return 'nothing';
  // Equal stamps do not prove equal bytes: the target may have been away within one generation.
  return target === STAMP.UNKNOWN || target === source ? 'compare' : 'copy';
}

export function regionCountOf({ start, end }: ByteRange): number {
  return Math.ceil((end - start) / REGION_BYTES);
}

/** Ranges whose bytes are in doubt, as whole regions to be compared. */
export function planRanges(ranges: readonly ByteRange[]): SyncTask[] {
  return ranges.flatMap(({ start, end }) => {
    const tasks: SyncTask[] = [];
    for (let at = start; at < end; at += COMPARE_BYTES) {
      tasks.push({ start: at, end: Math.min(at + COMPARE_BYTES, end), isCompared: true });
    }
    return tasks;
  });
}

/** The same bytes, widened to whole regions within a volume. */
export function wholeRegions(range: ByteRange, sizeBytes: number): ByteRange {
  return {
    start: Math.floor(range.start / REGION_BYTES) * REGION_BYTES,
    end: Math.min(Math.ceil(range.end / REGION_BYTES) * REGION_BYTES, sizeBytes),
  };
}
