import { type Block, type Stamp, ZERO } from './content.ts';
import type { Done } from './oracle.ts';

/**
 * Which blocks show an atomic write, and which what it must have replaced. Neither a power loss nor
 * anything else may leave both at the same time, on any copy that counts.
 */
export class AtomicWrites {
  readonly #atomic = new Map<Stamp, Done>();
  readonly #written = new Map<Stamp, Done>();
  readonly #trims: Done[] = [];

  /** A write or trim was submitted. */
  note(done: Done, isAtomic: boolean): void {
    const { stamp } = done.write;
    if (stamp === ZERO) this.#trims.push(done);
    else this.#written.set(stamp, done);
    if (isAtomic) this.#atomic.set(stamp, done);
  }

  /**
   * @param blocks what is there at one moment
   * @param isAll what is not among them was never written to; else it was not looked at
   */
  whyTorn(blocks: ReadonlyMap<number, Block>, isAll = false): string | undefined {
    for (const stamp of new Set([...blocks.values()].flatMap(partsOf))) {
      const done = this.#atomic.get(stamp);
      if (done === undefined) continue;
      const { first, count } = done.range;
      for (let block = first; block < first + count; block += 1) {
        const content = blocks.get(block) ?? (isAll ? ZERO : undefined);
        if (content === undefined) continue;
        const older = partsOf(content).find((part) => this.#isOlder(part, block, done));
        if (older === undefined) continue;
        return `atomic write ${stamp} of blocks ${first} to ${first + count - 1}, but ${older} in ${block}`;
      }
    }
    return undefined;
  }

  /** Whether what made a block hold `stamp` was surely over when `done` began. */
  #isOlder(stamp: Stamp, block: number, { write }: Done): boolean {
    const isOver = (other: Done) => Math.min(other.write.end, other.write.latest) < write.start;
    if (stamp !== ZERO) {
      const other = this.#written.get(stamp);
      return other !== undefined && isOver(other);
    }
    return this.#trims.every((trim) => {
      const { first, count } = trim.range;
      return block < first || block >= first + count || isOver(trim);
    });
  }
}

function partsOf(block: Block): readonly Stamp[] {
  return typeof block === 'number' ? [block] : block;
}
