import type { Stamp } from './blocks.ts';

export interface BlockRange {
  readonly first: number;
  readonly count: number;
}

export interface WriteHandle {
  /** It succeeded: it took effect between its beginning and now. */
  acknowledge(): void;
  /** A later attempt at the same write succeeded: this one took effect before now or never will. */
  supersede(): void;
}

export interface ReadHandle {
  /** Returns what is wrong with what was read, if anything is. */
  end(stamps: readonly Stamp[]): string | undefined;
  cancel(): void;
}

/** One value that a block has, had, or may get. */
interface Value {
  readonly stamp: Stamp;
  /** It had taken effect by then, if it did at all: acknowledged, superseded, or read. */
  by: number;
  /** The latest beginning of a read that showed it; its own beginning before the first one. */
  lastShown: number;
  /** Acknowledged or read. What is neither may never have happened. */
  isKnown: boolean;
}

interface Block {
  values: Value[];
  /** Of the last few events, for whoever must find out what went wrong. */
  readonly history: string[];
}

const NEVER = Number.POSITIVE_INFINITY;
const HISTORY_LENGTH = 16;

/**
 * Tells, as it goes, whether a volume behaves as one disk: each block is a register whose values
 * are unique, and what reads show must be linearizable (Gibbons and Korach, "Testing shared
 * memories", SIAM J. Comput. 26(4), 1997). A write that was not acknowledged may have happened or
 * not, at any time since; once a read has shown it, it has. No fault of a chaos run is a loss of
 * power, so an acknowledged write stays, flushed or not.
 *
 * An initiator that lost its session repeats the write. Each attempt has a stamp of its own, so an
 * earlier attempt that overwrites a later one that was acknowledged (I15) does not go unnoticed.
 *
 * Of a block's values only those are kept that a read could still show, so a run of any length fits.
 */
export class Oracle {
  readonly #blocks: Block[];
  /** Beginnings of the reads under way, oldest first. */
  readonly #reads = new Set<number>();
  #clock = 0;
  #lastStamp = 0;

  constructor(blockCount: number) {
    this.#blocks = Array.from({ length: blockCount }, () => ({
      values: [{ stamp: 0, by: 0, lastShown: 0, isKnown: true }],
      history: [],
    }));
  }

  nextStamp(): Stamp {
    this.#lastStamp += 1;
    return this.#lastStamp;
  }

  beginWrite(stamp: Stamp, range: BlockRange): WriteHandle {
    const begun = this.#tick();
    const values = this.#blocksOf(range).map((block) => {
      const value = { stamp, by: NEVER, lastShown: begun, isKnown: false };
      block.values.push(value);
      this.#note(block, `write ${stamp} begins`);
      return value;
    });
    const settle = (isAcknowledged: boolean) => {
      const now = this.#tick();
      for (const [index, value] of values.entries()) {
        value.by = Math.min(value.by, now);
        value.isKnown ||= isAcknowledged;
        const block = this.#blocks[range.first + index] as Block;
        this.#note(block, `write ${stamp} ${isAcknowledged ? 'acknowledged' : 'superseded'}`);
        this.#forget(block);
      }
    };
    return { acknowledge: () => settle(true), supersede: () => settle(false) };
  }

  /** The range was trimmed while nothing else was under way: it reads as zeros again. */
  clear(range: BlockRange): void {
    const now = this.#tick();
    for (const block of this.#blocksOf(range)) {
      block.values = [{ stamp: 0, by: now, lastShown: now, isKnown: true }];
      this.#note(block, 'trimmed');
    }
  }

  beginRead(range: BlockRange): ReadHandle {
    const begun = this.#tick();
    this.#reads.add(begun);
    return {
      cancel: () => this.#reads.delete(begun),
      end: (stamps) => {
        const now = this.#tick();
        this.#reads.delete(begun);
        const faults = this.#blocksOf(range).map((block, index) => {
          const fault = this.#show(block, stamps[index] as Stamp, { begun, now });
          return fault && `block ${range.first + index} ${fault}\n${block.history.join('\n')}`;
        });
        return faults.find((fault) => fault !== undefined);
      },
    };
  }

  #show(block: Block, stamp: Stamp, read: { begun: number; now: number }): string | undefined {
    this.#note(block, `read of ${read.begun} shows ${stamp}`);
    const value = block.values.find((candidate) => candidate.stamp === stamp);
    if (value === undefined) {
      const known = block.values.map((candidate) => candidate.stamp).join(', ');
      return stamp > this.#lastStamp
        ? `shows ${stamp}, which was never written`
        : `shows ${stamp}, which was overwritten or never written there; it may hold ${known}`;
    }
    value.isKnown = true;
    value.by = Math.min(value.by, read.now);
    value.lastShown = Math.max(value.lastShown, read.begun);
    for (const other of block.values) {
      if (other === value || !other.isKnown || !excludes(value, other, value.lastShown)) continue;
      return `shows ${stamp} and ${other.stamp} so that neither can have come last`;
    }
    this.#forget(block);
    return undefined;
  }

  /** Drops what no read can show any more, not even the oldest one that is under way. */
  #forget(block: Block): void {
    const [oldestRead = this.#clock] = this.#reads;
    block.values = block.values.filter((value) => {
      if (value.by === NEVER) return true;
      const shownAgain = Math.max(value.lastShown, oldestRead);
      return !block.values.some(
        (other) => other !== value && other.isKnown && excludes(value, other, shownAgain),
      );
    });
  }

  #blocksOf({ first, count }: BlockRange): Block[] {
    return this.#blocks.slice(first, first + count);
  }

  #tick(): number {
    this.#clock += 1;
    return this.#clock;
  }

  #note({ history }: Block, what: string): void {
    history.push(`  ${this.#clock}: ${what}`);
    if (history.length > HISTORY_LENGTH) history.shift();
  }
}

/**
 * Whether `value`, shown to a read that began at `shown`, and `other` cannot both fit into one
 * order: each was there before the other one was shown last, so each must be the later one. This is
 * the paper's condition on zones, for all four ways in which two of them can lie.
 */
function excludes(value: Value, other: Value, shown: number): boolean {
  return value.by < other.lastShown && other.by < shown;
}
