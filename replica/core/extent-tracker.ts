import { assert } from '../common/assert.ts';
import { EXTENT_BYTES } from '../common/limits.ts';
import type { HotExtents } from '../store/hot-extents.ts';
import type { Page } from '../store/page.ts';

/**
 * Where an extent is between cold and hot. Only in `hot` and `leaving` may its bytes be changed: its
 * bit is durable, and no save is under way that clears it.
 *
 *   cold     → marking   touched: the bit is set in memory
 *   marking  → hot       a save that has the bit is durable
 *   hot      → leaving   a checkpoint begins
 *   leaving  → hot       touched, or not settled
 *   leaving  → clearing  data and map are durable, the save that clears the bit begins
 *   clearing → cold      that save is durable
 *   clearing → marking   touched: what the save under way clears, the next one sets again
 */
const STATE = { COLD: 0, MARKING: 1, HOT: 2, LEAVING: 3, CLEARING: 4 } as const;
type State = (typeof STATE)[keyof typeof STATE];

/** A sequential writer waits once for so many extents: 64 MiB. */
const MARK_AHEAD = 16;
/** A sync waits once in 1 GiB: what it marks too much costs hashes only, should this copy restart. */
const MARK_AHEAD_OF_SYNC = 256;

/** What memory is taken by: 36 KiB, the extents of 16 GiB. */
const CHUNK_EXTENTS = 4096;

/** An extent that was hot when the process started stays so until `releaseInherited`. */
const NEVER_SETTLED = Number.POSITIVE_INFINITY;

interface Chunk {
  readonly states: Uint8Array;
  /** Number of the last change of each extent. */
  readonly lastSeqs: Float64Array;
}

/**
 * Which extents may be written to, and which may become cold again. It holds the bits back that are
 * set in memory only, and asks for a save of them (ADR 0012).
 */
export class ExtentTracker {
  readonly #hot: HotExtents;
  readonly #chunks: (Chunk | undefined)[] = [];
  /** Bits set since the last save began; those are in none that is under way. */
  #unsaved: number[] = [];
  /** What the save under way makes durable. */
  #marking: number[] = [];
  #clearing: number[] = [];
  /** Untouched since the checkpoint began, unless they are `hot` again by now. */
  #leaving: number[] = [];
  #inherited: readonly number[];

  constructor(hot: HotExtents) {
    this.#hot = hot;
    this.#inherited = hot.extents();
    for (const extent of this.#inherited) {
      const { states, lastSeqs } = this.#chunkOf(extent);
      states[extent % CHUNK_EXTENTS] = STATE.HOT;
      lastSeqs[extent % CHUNK_EXTENTS] = NEVER_SETTLED;
    }
  }

  get hotCount(): number {
    return this.#hot.count;
  }

  /** The volume is longer; its new extents are cold. */
  grow(sizeBytes: number): void {
    this.#hot.grow(sizeBytes);
    const at = this.#chunks.length - 1;
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const longer = this.#makeChunk(at);
    longer.states.set(chunk.states);
    longer.lastSeqs.set(chunk.lastSeqs);
    this.#chunks[at] = longer;
  }

  /** Whether bits must be saved before what waits for them may go on. */
  get hasUnsaved(): boolean {
    return this.#unsaved.length > 0;
  }

  /**
   * A change of `[start, end)` is to come. Returns whether it may come now; if not, its extents are
   * in the next save, and this must be asked again after it.
   */
  touch(start: number, end: number, seq: number, isSync = false): boolean {
    const first = Math.floor(start / EXTENT_BYTES);
    const last = Math.floor((end - 1) / EXTENT_BYTES);
    const unsavedBefore = this.#unsaved.length;
    let isDurable = true;
    for (let extent = first; extent <= last; extent += 1) {
      if (!this.#touchOne(extent, seq)) isDurable = false;
    }
    if (this.#unsaved.length > unsavedBefore && first > 0 && this.#hot.isHot(first - 1)) {
      const ahead = isSync ? MARK_AHEAD_OF_SYNC : MARK_AHEAD;
      const aheadEnd = Math.min(last + ahead, this.#hot.extentCount);
      for (let extent = last + 1; extent < aheadEnd; extent += 1) {
        if (!this.#hot.isHot(extent)) this.#touchOne(extent, seq);
      }
    }
    return isDurable;
  }

  /** A checkpoint begins: what is hot may leave, unless it is touched again before its end. */
  beginLeaving(keepNewest: number): void {
    const hot = this.#hot.extents().filter((extent) => this.#stateOf(extent) === STATE.HOT);
    if (keepNewest > 0) {
      hot.sort((a, b) => this.#lastSeqOf(a) - this.#lastSeqOf(b));
      hot.length = Math.max(0, hot.length - keepNewest);
    }
    for (const extent of hot) this.#setState(extent, STATE.LEAVING);
    this.#leaving = hot;
  }

  /** Data and map are durable: clears the bits of what left and is settled, to be saved next. */
  clearLeaving(settledSeq: number): void {
    assert(this.#clearing.length === 0, 'one save at a time');
    for (const extent of this.#leaving) {
      if (this.#stateOf(extent) !== STATE.LEAVING) continue;
      const isSettled = this.#lastSeqOf(extent) <= settledSeq;
      this.#setState(extent, isSettled ? STATE.CLEARING : STATE.HOT);
      if (!isSettled) continue;
      this.#hot.clear(extent);
      this.#clearing.push(extent);
    }
    this.#leaving = [];
  }

  /** Whether a checkpoint could make anything cold. */
  canClear(settledSeq: number): boolean {
    return this.#hot.extents().some((extent) => {
      return this.#stateOf(extent) === STATE.HOT && this.#lastSeqOf(extent) <= settledSeq;
    });
  }

  /** The save that begins now: every bit as it is at this moment. */
  takeSave(): Page[] {
    assert(this.#marking.length === 0, 'one save at a time');
    this.#marking = this.#unsaved;
    this.#unsaved = [];
    return this.#hot.takeDirtySectors();
  }

  /** The save is durable. */
  saved(): void {
    for (const extent of this.#marking) this.#setState(extent, STATE.HOT);
    for (const extent of this.#clearing) {
      // If it was touched meanwhile it is marking again, for the save after this one.
      if (this.#stateOf(extent) === STATE.CLEARING) this.#setState(extent, STATE.COLD);
    }
    this.#marking = [];
    this.#clearing = [];
  }

  /** What was hot at the start has been made equal with the other copies, up to `seq`. */
  releaseInherited(seq: number): void {
    for (const extent of this.#inherited) {
      this.#chunkOf(extent).lastSeqs[extent % CHUNK_EXTENTS] = seq;
    }
    this.#inherited = [];
  }

  #touchOne(extent: number, seq: number): boolean {
    const { states, lastSeqs } = this.#chunkOf(extent);
    const index = extent % CHUNK_EXTENTS;
    if (lastSeqs[index]! < seq) lastSeqs[index] = seq;
    const state = states[index] as State;
    if (state === STATE.HOT) return true;
    if (state === STATE.LEAVING) {
      states[index] = STATE.HOT;
      return true;
    }
    if (state !== STATE.MARKING) {
      states[index] = STATE.MARKING;
      this.#hot.set(extent);
      this.#unsaved.push(extent);
    }
    return false;
  }

  #stateOf(extent: number): State {
    return this.#chunkOf(extent).states[extent % CHUNK_EXTENTS] as State;
  }

  #setState(extent: number, state: State): void {
    this.#chunkOf(extent).states[extent % CHUNK_EXTENTS] = state;
  }

  #lastSeqOf(extent: number): number {
    return this.#chunkOf(extent).lastSeqs[extent % CHUNK_EXTENTS]!;
  }

  #chunkOf(extent: number): Chunk {
    const at = Math.floor(extent / CHUNK_EXTENTS);
    const chunk = this.#chunks[at];
    if (chunk !== undefined) return chunk;
    const fresh = this.#makeChunk(at);
    this.#chunks[at] = fresh;
    return fresh;
  }

  #makeChunk(at: number): Chunk {
    const extentCount = Math.min(CHUNK_EXTENTS, this.#hot.extentCount - at * CHUNK_EXTENTS);
    assert(extentCount > 0, 'a chunk has extents of this volume', { at });
    return { states: new Uint8Array(extentCount), lastSeqs: new Float64Array(extentCount) };
  }
}
