import { AtomicWrites } from './atomic-writes.ts';
import { type Block, type BlockRange, decodeBlocks, type Stamp } from './content.ts';
import { NEVER, Register, type Write } from './register.ts';

/** The stamps of writes are below this one; above are those that stand for torn blocks. */
const FIRST_TORN = 0x8000_0000;

/**
 * Knows every operation and tells whether the volume behaved as one disk: each block is a register
 * whose history must be linearizable. A write that was not acknowledged may have happened or not;
 * once a read has shown it, it has. An acknowledged one may be undone only by a power loss that the
 * volume owned up to, and only if no flush covered it.
 */
export class Oracle {
  readonly faults: string[] = [];
  /** What must be seen as a whole or not at all. */
  readonly atomicWrites = new AtomicWrites();
  readonly #registers = new Map<number, Register>();
  readonly #torn = new Map<string, Stamp>();
  #tick = 0;
  #lastStamp = 0;
  /** Everything acknowledged before this moment was flushed since. */
  #coveredUntil = -1;
  /** The same, by flushes that began before the last power loss and ended after it. */
  #coveredBefore = -1;
  #lossTick = -1;
  /** Acknowledged, and covered by no flush yet. */
  #unflushed: Done[] = [];

  /** A moment: every call is later than the one before. */
  tick(): number {
    this.#tick += 1;
    return this.#tick;
  }

  nextStamp(): Stamp {
    this.#lastStamp += 1;
    return this.#lastStamp;
  }

  /** A write or, with the stamp `ZERO`, a trim was submitted. */
  beginWrite(
    stamp: Stamp,
    range: BlockRange,
    { isFua = false, isAtomic = false } = {},
  ): WriteHandle {
    const start = this.tick();
    const write = { stamp, isFua, start, end: NEVER, latest: NEVER, mustNotBeSeen: false };
    for (let block = range.first; block < range.first + range.count; block += 1) {
      this.#register(block).add(write);
    }
    this.atomicWrites.note({ write, range }, isAtomic);
    return new WriteHandle(write, () => this.#acknowledge({ write, range }));
  }

  #acknowledge(done: Done): Done {
    done.write.end = this.tick();
    if (!done.write.isFua) this.#unflushed.push(done);
    return done;
  }

  /** A flush that began at `start` succeeded. Returns what it covered that no other one had. */
  endFlush(start: number): Done[] {
    this.tick();
    if (start < this.#lossTick) this.#coveredBefore = Math.max(this.#coveredBefore, start);
    this.#coveredUntil = Math.max(this.#coveredUntil, start);
    const covered = this.#unflushed.filter(({ write }) => write.end < start);
    if (covered.length > 0) {
      this.#unflushed = this.#unflushed.filter(({ write }) => write.end >= start);
    }
    return covered;
  }

  endRead(start: number, first: number, data: Buffer): void {
    const end = this.tick();
    const blocks = decodeBlocks(data);
    const torn = this.atomicWrites.whyTorn(new Map(blocks.map((block, at) => [first + at, block])));
    if (torn !== undefined) this.faults.push(`a read shows ${torn}`);
    for (const [index, block] of blocks.entries()) {
      this.#register(first + index).read(this.#stampOf(first + index, block, start), start, end);
    }
  }

  /** From now on, what no flush has covered may be there or not. */
  losePower(): void {
    const tick = this.tick();
    this.#judge();
    for (const register of this.#registers.values()) {
      register.forget(tick, this.#coveredUntil, this.#coveredBefore);
    }
    this.#lossTick = tick;
    this.#coveredBefore = -1;
    this.#unflushed = [];
  }

  /** Whether what a copy holds in a block was surely replaced before `tick`. */
  isOlder(block: number, content: Block, tick: number): boolean {
    const parts = typeof content === 'number' ? [content] : content;
    return parts.some((part) => this.#register(block).isOlder(part, tick));
  }

  /** Everything that went wrong, in words. */
  allFaults(): readonly string[] {
    this.#judge();
    return this.faults;
  }

  #judge(): void {
    for (const [block, register] of this.#registers) {
      const fault = register.whyNotLinearizable(this.#coveredBefore);
      if (fault !== undefined) this.faults.push(`block ${block}: ${fault}`);
    }
  }

  #stampOf(block: number, content: Block, start: number): Stamp {
    if (typeof content === 'number') return content;
    const name = content.join(' ');
    const stamp = this.#torn.get(name) ?? FIRST_TORN + this.#torn.size;
    this.#torn.set(name, stamp);
    if (start > this.#lossTick) this.#register(block).addTorn(stamp, content);
    return stamp;
  }

  #register(block: number): Register {
    let register = this.#registers.get(block);
    if (register === undefined) {
      register = new Register();
      this.#registers.set(block, register);
    }
    return register;
  }
}

/** An acknowledged write. */
export interface Done {
  readonly write: Write;
  readonly range: BlockRange;
}

export class WriteHandle {
  readonly #write: Write;
  readonly #acknowledge: () => Done;

  constructor(write: Write, acknowledge: () => Done) {
    this.#write = write;
    this.#acknowledge = acknowledge;
  }

  get start(): number {
    return this.#write.start;
  }

  acknowledge(): Done {
    return this.#acknowledge();
  }

  /** The next controller served at `tick`: what this write did, it had done before. */
  supersede(tick: number): void {
    this.#write.latest = Math.min(this.#write.latest, tick);
  }

  /** It was cancelled before it was sent (I15). */
  forbid(): void {
    this.#write.mustNotBeSeen = true;
  }
}
