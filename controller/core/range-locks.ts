import { assert } from '../../replica/common/assert.ts';
import { type ByteRange, overlaps } from '../../replica/common/ranges.ts';

interface Entry<Owner> {
  readonly owner: Owner;
  readonly ranges: readonly ByteRange[];
  /** Wants the ranges for itself; otherwise it only changes them once. */
  readonly isLock: boolean;
}

/**
 * Byte ranges that one command has for itself: COMPARE AND WRITE and its like read before they
 * write, and nobody may change the bytes in between (SBC-3 clause 4.11.1). A change that overlaps a
 * lock waits for it, and so does a lock that overlaps a lock or a change that is under way. All wait in
 * the order they came, so none waits for ever. An owner gets all of its ranges at once and holds
 * nothing while it waits, so there is no circle to wait in.
 *
 * Changes that nobody locked against are not kept here at all: their path costs a look at `isIdle`.
 */
export class RangeLocks<Owner> {
  readonly #isChanging: (ranges: readonly ByteRange[]) => boolean;
  readonly #held: Entry<Owner>[] = [];
  readonly #waiting: Entry<Owner>[] = [];

  /** @param isChanging whether a change of these ranges, by one who holds no lock, is under way */
  constructor(isChanging: (ranges: readonly ByteRange[]) => boolean) {
    this.#isChanging = isChanging;
  }

  /** Whether every change may go on without asking. */
  get isIdle(): boolean {
    return this.#held.length === 0 && this.#waiting.length === 0;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether `owner` has these ranges for itself from now on; otherwise it waits here. */
  lock(owner: Owner, ranges: readonly ByteRange[]): boolean {
    const entry = { owner, ranges, isLock: true };
    if (this.#isBlocked(entry, this.#waiting.length)) {
      this.#waiting.push(entry);
      return false;
    }
    this.#held.push(entry);
    return true;
  }

  /** Whether `owner`, who holds no lock, may change these ranges now; otherwise it waits here. */
  change(owner: Owner, ranges: readonly ByteRange[]): boolean {
    const entry = { owner, ranges, isLock: false };
    if (!this.#isBlocked(entry, this.#waiting.length)) return true;
    this.#waiting.push(entry);
    return false;
  }

  unlock(owner: Owner): void {
    const at = this.#held.findIndex((entry) => entry.owner === owner);
    assert(at >= 0, 'only what is held is given back');
    this.#held.splice(at, 1);
  }

  /** Returns whether `owner` was waiting. */
  stopWaiting(owner: Owner): boolean {
    const at = this.#waiting.findIndex((entry) => entry.owner === owner);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  /** Takes the first one that need not wait any more, and gives it its lock. */
  takeReady(): Owner | undefined {
    const at = this.#waiting.findIndex((entry, index) => !this.#isBlocked(entry, index));
    const [entry] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (entry?.isLock === true) this.#held.push(entry);
    return entry?.owner;
  }

  /** Whether something held, or something that waits in front of `position`, is in its way. */
  #isBlocked(entry: Entry<Owner>, position: number): boolean {
    const { ranges } = entry;
    if (this.#held.some((other) => haveCommonBytes(ranges, other.ranges))) return true;
    for (let at = 0; at < position; at += 1) {
      if (haveCommonBytes(ranges, this.#waiting[at]!.ranges)) return true;
    }
    return entry.isLock && this.#isChanging(ranges);
  }
}

export function haveCommonBytes(some: readonly ByteRange[], others: readonly ByteRange[]): boolean {
  return some.some((range) => others.some((other) => overlaps(range, other)));
}
