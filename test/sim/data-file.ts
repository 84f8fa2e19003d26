import type { SeededRandom } from '../support/random.ts';
import {
  type Block,
  type BlockRange,
  isSameBlock,
  joinSectors,
  sectorsOf,
  ZERO,
} from './content.ts';

/**
 * A copy's data file: what the page cache shows, and what would be left without it. A killed process
 * loses nothing; a power loss keeps for each unsynced sector the old or the new bytes.
 */
export class DataFile {
  readonly #cached = new Map<number, Block>();
  readonly #durable = new Map<number, Block>();
  /** Blocks that differ, or may, from stable storage; an fdatasync writes them. */
  readonly #dirty = new Set<number>();
  /** A failed fdatasync called these clean. The cache forgets them some day, without a word. */
  readonly #forsaken = new Set<number>();
  /** Changes done, and how many of them are on stable storage. */
  changeCount = 0;
  durableCount = 0;

  /** Whether a power loss could take anything. */
  get hasUnsynced(): boolean {
    for (const block of [...this.#dirty, ...this.#forsaken]) {
      if (!isSameBlock(this.read(block), this.readDurable(block))) return true;
    }
    return false;
  }

  read(block: number): Block {
    return this.#cached.get(block) ?? ZERO;
  }

  readDurable(block: number): Block {
    return this.#durable.get(block) ?? ZERO;
  }

  /** All that was ever written, as the page cache shows it. */
  get blocks(): ReadonlyMap<number, Block> {
    return this.#cached;
  }

  readRange({ first, count }: BlockRange): Block[] {
    const blocks: Block[] = [];
    for (let block = first; block < first + count; block += 1) blocks.push(this.read(block));
    return blocks;
  }

  write(first: number, blocks: readonly Block[]): void {
    this.changeCount += 1;
    for (const [index, block] of blocks.entries()) this.#put(first + index, block);
  }

  /** As a write of zeros, without the blocks that are zero already: a trim may be very long. */
  trim({ first, count }: BlockRange): void {
    this.changeCount += 1;
    for (const block of [...this.#cached.keys()]) {
      if (first <= block && block < first + count) this.#put(block, ZERO);
    }
  }

  #put(block: number, content: Block): void {
    this.#cached.set(block, content);
    this.#dirty.add(block);
    this.#forsaken.delete(block);
  }

  /** The kernel writes some dirty pages back whenever it likes. */
  writeBackSome(random: SeededRandom): void {
    for (const block of this.#dirty)
      if (random.chance(0.3)) this.#durable.set(block, this.read(block));
  }

  /** Starts an fdatasync: what is dirty now is durable once the returned function was called. */
  startSync(): () => void {
    const started = new Map([...this.#dirty].map((block) => [block, this.read(block)]));
    const { changeCount } = this;
    return () => {
      for (const [block, content] of started) {
        this.#durable.set(block, content);
        if (isSameBlock(content, this.read(block))) this.#dirty.delete(block);
      }
      this.durableCount = Math.max(this.durableCount, changeCount);
    };
  }

  /**
   * The disk refuses pages during an fdatasync: Linux says so once, marks them clean, and drops them
   * from the cache. Some were written all the same.
   * @param isLate it drops them only when it needs the memory; until then they can be read
   */
  failSync(random: SeededRandom, isLate: boolean): void {
    for (const block of this.#dirty) {
      if (random.chance(0.4)) this.#durable.set(block, this.read(block));
      else if (isLate) this.#forsaken.add(block);
      else this.#cached.set(block, this.readDurable(block));
    }
    this.#dirty.clear();
  }

  /** Memory is short: pages that count as clean leave the cache. */
  dropForsaken(random: SeededRandom): void {
    for (const block of this.#forsaken) {
      if (!random.chance(0.5)) continue;
      this.#cached.set(block, this.readDurable(block));
      this.#forsaken.delete(block);
    }
  }

  /** As replica/io/write-again.ts does, which cannot tell them from others in the hot extents. */
  writeForsakenAgain(): void {
    for (const block of [...this.#forsaken]) this.#put(block, this.read(block));
  }

  losePower(random: SeededRandom): void {
    for (const block of [...this.#dirty, ...this.#forsaken]) {
      this.#durable.set(block, mix(this.readDurable(block), this.read(block), random));
    }
    this.#dirty.clear();
    this.#forsaken.clear();
    this.#cached.clear();
    for (const [block, content] of this.#durable) this.#cached.set(block, content);
    this.durableCount = this.changeCount;
  }

  /** Takes over all of another one, as a restored snapshot or an empty directory does. */
  replaceBy(other: DataFile): void {
    for (const list of [this.#cached, this.#durable]) list.clear();
    for (const [block, content] of other.#cached) this.#cached.set(block, content);
    for (const [block, content] of other.#cached) this.#durable.set(block, content);
    this.#dirty.clear();
    this.#forsaken.clear();
  }

  /** A block that two copies hold differently, if there is one. */
  findDifference(other: DataFile): number | undefined {
    for (const block of new Set([...this.#cached.keys(), ...other.#cached.keys()])) {
      if (!isSameBlock(this.read(block), other.read(block))) return block;
    }
    return undefined;
  }
}

/** Most pages are written whole or not at all; some are torn between sectors. */
function mix(older: Block, newer: Block, random: SeededRandom): Block {
  const fate = random.below(5);
  if (fate < 2) return older;
  if (fate < 4) return newer;
  const [old, young] = [sectorsOf(older), sectorsOf(newer)];
  return joinSectors(old.map((stamp, sector) => (random.chance(0.5) ? stamp : young[sector]!)));
}
