import { assert } from '../../replica/common/assert.ts';
import type { ByteRange } from '../../replica/common/ranges.ts';
import type { VolumeFailure, VolumeMutation } from './operation.ts';
import { SeqTable } from './seq-table.ts';
import type { CopyMask, RequestHandle } from './step.ts';

/** A write, trim or flush that was sent to the copies and is not answered by all of them. */
export interface Mutation extends ByteRange {
  readonly seq: number;
  /** Kept so that it can be sent again to the last copy, should that drop its connection. */
  readonly operation: VolumeMutation;
  /** Undefined once it was completed towards the caller, whatever the copies still owe. */
  request: RequestHandle | undefined;
  /** Copies that still owe an answer. */
  pending: CopyMask;
  readonly sentMs: number;
  failure: VolumeFailure | undefined;
  /** Answered by every required copy: nothing that a takeover could undo. */
  isStable: boolean;
}

/**
 * Numbers mutations and keeps those under way, in the order in which they were sent.
 * `stableSeq` rises over the longest prefix that every required copy has answered.
 */
export class Mutations {
  readonly #bySeq = new SeqTable<Mutation>();
  /** In seq order; the front is dropped as it becomes stable. */
  #order: Mutation[] = [];
  #front = 0;
  #lastSeq = 0;
  #stableSeq = 0;
  /** Until the start has equalised the copies, nothing may be declared stable (I6). */
  #isStableKnown = false;

  /** Numbers on above everything an earlier controller may have used. */
  continueAfter(seq: number): void {
    assert(this.#bySeq.size === 0, 'numbering is set before the first mutation');
    this.#lastSeq = Math.max(this.#lastSeq, seq);
  }

  nextSeq(): number {
    this.#lastSeq += 1;
    return this.#lastSeq;
  }

  /** From here on older writes of any epoch count as confirmed by all in-sync copies. */
  declareEqualised(): void {
    this.#isStableKnown = true;
    // A stableSeq above 0 is what tells the copies that nothing inherited is open any more.
    this.#lastSeq += 1;
    this.#advance();
  }

  get stableSeq(): number {
    return this.#stableSeq;
  }

  get size(): number {
    return this.#bySeq.size;
  }

  add(mutation: Mutation): void {
    this.#bySeq.add(mutation);
    this.#order.push(mutation);
  }

  get(seq: number): Mutation | undefined {
    return this.#bySeq.get(seq);
  }

  values(): IterableIterator<Mutation> {
    return this.#bySeq.values();
  }

  markStable(mutation: Mutation): void {
    mutation.isStable = true;
    this.#advance();
  }

  /** Forgets a mutation that no copy owes an answer for. */
  remove(mutation: Mutation): void {
    assert(
      mutation.pending === 0 && mutation.isStable,
      'a mutation is forgotten when all is answered',
    );
    this.#bySeq.delete(mutation.seq);
  }

  /** Whether a write or trim under way that is not stable yet touches `[start, end)`. */
  hasUnstableOverlap(start: number, end: number): boolean {
    for (let index = this.#front; index < this.#order.length; index += 1) {
      const mutation = this.#order[index]!;
      if (!mutation.isStable && mutation.start < end && start < mutation.end) return true;
    }
    return false;
  }

  /** Whether a new attribute is under way that some required copy may not have. */
  hasUnstableStore(): boolean {
    for (let index = this.#front; index < this.#order.length; index += 1) {
      const { operation, isStable } = this.#order[index]!;
      if (operation.kind === 'store' && !isStable) return true;
    }
    return false;
  }

  #advance(): void {
    while (this.#front < this.#order.length && this.#order[this.#front]!.isStable) this.#front += 1;
    if (this.#front === this.#order.length) {
      this.#order.length = 0;
      this.#front = 0;
      if (this.#isStableKnown) this.#stableSeq = this.#lastSeq;
      return;
    }
    if (this.#isStableKnown) this.#stableSeq = this.#order[this.#front]!.seq - 1;
    // Give the memory of the dead front back now and then; amortised one move per mutation.
    if (this.#front > 1024 && this.#front * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#front);
      this.#front = 0;
    }
  }
}
