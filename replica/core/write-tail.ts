import { type ByteRange, mergeRanges } from '../common/ranges.ts';
import { MAX_TAIL_RANGES, type Tail } from '../protocol/hello.ts';

/** More than a controller ever has in flight; beyond it the tail counts as unknown. */
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
  /** From earlier controllers; undefined: not known. */
  #inherited: readonly ByteRange[] | undefined;
  /** `#inherited` is settled once stableSeq reaches this. */
  #inheritedUntilSeq = 1;
  /** In stream order; entries before `#head` are gone. */
  #entries: Entry[] = [];
  #head = 0;
  #stableSeq = 0;
  #lastSeq = 0;

  constructor(isKnown: boolean) {
    this.#inherited = isKnown ? [] : undefined;
  }

  /** Ranges remembered for the present controller. */
  get length(): number {
    return this.#entries.length - this.#head;
  }

  get isEmpty(): boolean {
    return this.length === 0 && this.#inherited?.length === 0;
  }

  /** Highest seq of a write or trim, whoever sent it. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  add(seq: number, start: number, end: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    if (seq <= this.#stableSeq) return;
    if (this.length >= MAX_TAIL_ENTRIES) {
      this.clear();
      this.#inherited = undefined;
      this.#inheritedUntilSeq = seq;
      return;
    }
    this.#entries.push({ seq, start, end });
  }

  /** Every write up to `stableSeq` was answered by all in-sync copies. */
  settle(stableSeq: number): void {
    if (stableSeq <= this.#stableSeq) return;
    this.#stableSeq = stableSeq;
    if (stableSeq >= this.#inheritedUntilSeq) this.#inherited = [];
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
    this.#entries = [];
    this.#head = 0;
  }

  /** Another controller instance takes over: what is open is now inherited, nothing is stable. */
  beginInstance(): void {
    const tail = this.describe();
    this.#inherited = tail.known ? tail.ranges : undefined;
    this.#inheritedUntilSeq = 1;
    this.#stableSeq = 0;
    this.clear();
  }

  describe(): Tail {
    if (this.#inherited === undefined) return { known: false };
    const open = this.#entries.slice(this.#head);
    const ranges = mergeRanges([...this.#inherited, ...open]);
    return ranges.length > MAX_TAIL_RANGES ? { known: false } : { known: true, ranges };
  }
}
