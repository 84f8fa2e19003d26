import { type ByteRange, mergeRanges } from '../common/ranges.ts';
import { MAX_TAIL_RANGES } from '../protocol/hello.ts';
import { joinNearest } from '../store/join-ranges.ts';

/** More than a controller ever has in flight; beyond it neighbours are remembered as one. */
export const MAX_TAIL_ENTRIES = 65_536;

interface Entry extends ByteRange {
  readonly seq: number;
}

/**
 * The ranges that this copy wrote and that some other in-sync copy may lack (I6): those above
 * `stableSeq`, and what earlier controllers left until the present one has made the copies equal.
 * A controller says that it has done so by its first `stableSeq` above 0.
 */
export class WriteTail {
  /** From earlier controllers. */
  #inherited: readonly ByteRange[] = [];
  /** In stream order; entries before `#head` are gone. */
  #entries: Entry[] = [];
  #head = 0;
  #stableSeq = 0;
  #lastSeq = 0;

  /** Ranges remembered for the present controller. */
  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Highest seq of a change, whoever sent it. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Every change up to here is on all in-sync copies; -1 while that cannot be said of any. */
  get settledSeq(): number {
    return this.#inherited.length > 0 ? -1 : this.#stableSeq;
  }

  add(seq: number, start: number, end: number): void {
    this.noteSeq(seq);
    if (seq <= this.#stableSeq) return;
    if (this.length >= MAX_TAIL_ENTRIES) this.#coarsen();
    this.#entries.push({ seq, start, end });
  }

  /** A change that needs no entry, since the bytes stay as they are. */
  noteSeq(seq: number): void {
    if (seq > this.#lastSeq) this.#lastSeq = seq;
  }

  /** Every write up to `stableSeq` was answered by all in-sync copies. */
  settle(stableSeq: number): void {
    if (stableSeq <= this.#stableSeq) return;
    this.#stableSeq = stableSeq;
    this.#inherited = [];
    while (this.#head < this.#entries.length && this.#entries[this.#head]!.seq <= stableSeq) {
      this.#head += 1;
    }
    // Moving what is left only when it is the smaller half keeps the cost per entry constant.
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** The present controller's writes have all been answered by all copies that are in-sync. */
  clear(): void {
    this.#stableSeq = Math.max(this.#stableSeq, this.#lastSeq);
    this.#entries = [];
    this.#head = 0;
  }

  /** Another controller instance takes over: what is open is now inherited, nothing is stable. */
  beginInstance(): void {
    this.#inherited = this.ranges();
    this.#stableSeq = 0;
    this.#entries = [];
    this.#head = 0;
  }

  /** Sorted, merged, and joined where they are more than a welcome carries. */
  ranges(): readonly ByteRange[] {
    const open = this.#entries.slice(this.#head);
    return joinNearest(mergeRanges([...this.#inherited, ...open]), MAX_TAIL_RANGES);
  }

  /** Too many to remember one by one: fewer and wider, all open until the last of them is stable. */
  #coarsen(): void {
    const open = mergeRanges(this.#entries.slice(this.#head));
    const seq = this.#entries.at(-1)!.seq;
    this.#entries = joinNearest(open, MAX_TAIL_RANGES).map(({ start, end }) => ({
      ...{ seq, start, end },
    }));
    this.#head = 0;
  }
}
