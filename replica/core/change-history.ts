import { EXTENT_BYTES } from '../common/limits.ts';
import { type ByteRange, mergeRanges } from '../common/ranges.ts';
import { FLAG } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { MAX_TAIL_RANGES, type Restart } from '../protocol/hello.ts';
import type { HotExtents } from '../store/hot-extents.ts';
import { joinNearest } from '../store/join-ranges.ts';
import type { JournalContent } from '../store/journal-content.ts';
import type { Metadata } from '../store/metadata-record.ts';
import type { RegionMap } from '../store/region-map.ts';
import { ExtentTracker } from './extent-tracker.ts';
import { WriteTail } from './write-tail.ts';

/** What a copy has on its disk when its process starts, and the machine that this is on. */
export interface CopyAtStart {
  readonly metadata: Metadata;
  /** Both belong to the replica from now on. */
  readonly regions: RegionMap;
  readonly hot: HotExtents;
  /** What was to be carried out again has been. */
  readonly journal: JournalContent;
  /** The same for all processes until the machine starts anew. */
  readonly bootId: string;
}

/**
 * What a copy remembers of its changes, so that others can be made equal to it and it to them: the
 * stamps, the hot extents, the tail, and what its last process took with it (ADR 0012).
 */
export class ChangeHistory {
  readonly regions: RegionMap;
  readonly extents: ExtentTracker;
  readonly #tail = new WriteTail();
  #restart: Restart;
  /** Where other copies may differ because of the restart, until it is over. */
  #restartRanges: readonly ByteRange[];

  constructor({ metadata, regions, hot, bootId }: CopyAtStart) {
    this.regions = regions;
    this.#restart = restartOf(metadata, bootId, hot);
    this.#restartRanges = hot.ranges();
    for (const extent of hot.extents()) {
      // Their stamps were in the memory of a process that is gone.
      const start = extent * EXTENT_BYTES;
      regions.markUnknown(start, Math.min(start + EXTENT_BYTES, metadata.sizeBytes));
    }
    this.extents = new ExtentTracker(hot);
  }

  get restart(): Restart {
    return this.#restart;
  }

  get tailLength(): number {
    return this.#tail.length;
  }

  get lastSeq(): number {
    return this.#tail.lastSeq;
  }

  /** Every change up to here is on all in-sync copies; -1 while that cannot be said of any. */
  get settledSeq(): number {
    return this.#tail.settledSeq;
  }

  /** A controller says hello, another one than before or the same one again. */
  beginConnection(isNewInstance: boolean): void {
    if (isNewInstance) this.#tail.beginInstance();
    // A write that only this copy has, or one whose newer stamp was lost with the connection.
    for (const { start, end } of this.#tail.ranges()) this.regions.markUnknown(start, end);
  }

  /** Where some other copy may differ from this one (I6, I13). */
  inDoubt(): readonly ByteRange[] {
    const ranges = mergeRanges([...this.#tail.ranges(), ...this.#restartRanges]);
    return joinNearest(ranges, MAX_TAIL_RANGES);
  }

  /** Numbers that the next controller must not use again. */
  noteSeq(seq: number): void {
    this.#tail.noteSeq(seq);
  }

  /** Bytes are about to change. */
  recordChange(frame: Frame): void {
    this.#tail.add(frame.seq, frame.offset, frame.offset + frame.length);
    this.#stamp(frame);
  }

  /** Regions get a stamp, their bytes stay. */
  recordMark(frame: Frame): void {
    this.#stamp(frame);
  }

  /** Some of the change may be there, some not, and its stamp may say "as another copy has it". */
  recordFailure({ offset, length }: Frame): void {
    this.regions.markUnknown(offset, offset + length);
  }

  /** The volume is longer; nothing was ever written to what is new. */
  grow(sizeBytes: number): void {
    this.regions.grow(sizeBytes);
    this.extents.grow(sizeBytes);
  }

  settle(stableSeq: number): void {
    this.#tail.settle(stableSeq);
  }

  /** The controller says that all its writes have been answered by all copies. */
  settleAll(): void {
    this.#tail.clear();
  }

  /**
   * The controller has compared what was in doubt: this copy is whole again. Only a CHECKPOINT says
   * so. A stableSeq does not: it may be that of a controller that is about to strike this copy off.
   */
  endRestart(): void {
    this.#restart = 'none';
    this.#restartRanges = [];
    this.extents.releaseInherited(this.#tail.lastSeq);
  }

  #stamp({ flags, offset, length, generation }: Frame): void {
    if ((flags & FLAG.ASSIGN) !== 0) this.regions.assign(offset, offset + length, generation);
    else this.regions.raise(offset, offset + length, generation);
  }
}

/**
 * What a copy may have forgotten with its last process (I13). Without hot extents that one had made
 * everything durable before it ended. A metadata record without a boot id has seen no hello.
 */
function restartOf(metadata: Metadata, bootId: string, hot: HotExtents): Restart {
  if (metadata.mayLackWrites) return 'may-lack-writes';
  if (hot.count === 0) return 'none';
  const isOtherBoot = metadata.bootId !== null && metadata.bootId !== bootId;
  return isOtherBoot ? 'may-lack-writes' : 'killed';
}
