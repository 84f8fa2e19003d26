import { BLOCK_BYTES } from '../../../replica/common/limits.ts';

/** Names the bytes of one write; 0 is a block of zeros. */
export type Stamp = number;

interface Write {
  readonly stamp: Stamp;
  readonly start: number;
  /** When it was acknowledged; never, when nobody knows whether it happened. */
  end: number;
  /** A controller that was replaced cannot have had it happen later than this (I4, I6). */
  latest: number;
  mustNotBeSeen: boolean;
}

interface Read {
  readonly stamp: Stamp;
  readonly start: number;
  readonly end: number;
}

/**
 * Knows every operation and tells whether the volume behaved as one disk: each block is a register
 * with unique values, and its history must be linearizable (Gibbons and Korach, "Testing shared
 * memories", SIAM J. Comput. 26(4), 1997: zones of unique values). A write that was not acknowledged may have happened or not;
 * once a read has shown it, it has.
 */
export class Oracle {
  readonly #writes: Write[][];
  readonly #reads: Read[][];
  readonly #faults: string[] = [];
  #clock = 0;

  constructor(blockCount: number) {
    const blocks = Array.from({ length: blockCount });
    this.#writes = blocks.map(() => [{ ...NOTHING, stamp: 0, start: 0, end: 0 }]);
    this.#reads = blocks.map(() => []);
  }

  /** A moment: every call is later than the one before. */
  tick(): number {
    this.#clock += 1;
    return this.#clock;
  }

  /** A write or, with stamp 0, a trim was submitted. A block may be trimmed only while it is fresh. */
  beginWrite(stamp: Stamp, range: BlockRange): WriteHandle {
    const start = this.tick();
    const writes: Write[] = [];
    for (let block = range.first; block < range.first + range.count; block += 1) {
      const write = { ...NOTHING, stamp, start };
      this.#writes[block]!.push(write);
      writes.push(write);
    }
    return {
      acknowledge: () => {
        const end = this.tick();
        for (const write of writes) write.end = end;
      },
      supersede: () => {
        const latest = this.tick();
        for (const write of writes) write.latest = Math.min(write.latest, latest);
      },
      forbid: () => {
        for (const write of writes) write.mustNotBeSeen = true;
      },
    };
  }

  /** Acknowledged before anything else: from here on zeros can only come from a trim. */
  forgetZeros(range: BlockRange): void {
    for (let block = range.first; block < range.first + range.count; block += 1) {
      this.#writes[block]!.shift();
    }
  }

  endRead(start: number, first: number, data: Buffer): void {
    const end = this.tick();
    for (let at = 0; at < data.length; at += BLOCK_BYTES) {
      const block = first + at / BLOCK_BYTES;
      const stamp = stampOf(data, at);
      if (stamp === undefined) this.#faults.push(`block ${block}: a torn block was read`);
      else this.#reads[block]!.push({ stamp, start, end });
    }
  }

  /** Everything that went wrong, in words. */
  faults(): string[] {
    const faults = [...this.#faults];
    for (let block = 0; block < this.#writes.length; block += 1) {
      const fault = whyNotLinearizable(this.#writes[block]!, this.#reads[block]!);
      if (fault !== undefined) faults.push(`block ${block}: ${fault}`);
    }
    return faults;
  }
}

export interface BlockRange {
  readonly first: number;
  readonly count: number;
}

export interface WriteHandle {
  acknowledge(): void;
  /** The next controller serves: what this write did, it has done before now. */
  supersede(): void;
  /** It was cancelled before it was sent (I15). */
  forbid(): void;
}

/** The bytes of a write: its stamp at both ends of every block, so that a torn block shows. */
export function makeBlocks(stamp: Stamp, count: number): Buffer {
  const data = Buffer.alloc(count * BLOCK_BYTES);
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    data.writeUInt32LE(stamp, at);
    data.writeUInt32LE(stamp, at + BLOCK_BYTES - 4);
  }
  return data;
}

export function stampOf(data: Buffer, at: number): Stamp | undefined {
  const stamp = data.readUInt32LE(at);
  return stamp === data.readUInt32LE(at + BLOCK_BYTES - 4) ? stamp : undefined;
}

const NEVER = Number.POSITIVE_INFINITY;
const NOTHING = { start: 0, end: NEVER, latest: NEVER, mustNotBeSeen: false };

/** From the first moment at which a value must have been there to the last at which it was begun. */
interface Zone {
  readonly stamp: Stamp;
  readonly from: number;
  readonly to: number;
}

function whyNotLinearizable(writes: readonly Write[], reads: readonly Read[]): string | undefined {
  const forward: Zone[] = [];
  const backward: Zone[] = [];
  const known = new Set(writes.map(({ stamp }) => stamp));
  const unknown = reads.find(({ stamp }) => !known.has(stamp));
  if (unknown !== undefined) return `a read showed ${unknown.stamp}, which was never written`;
  for (const write of writes) {
    const { stamp, start, end, latest } = write;
    const seen = reads.filter((read) => read.stamp === stamp);
    if (seen.length === 0 && end === NEVER) continue;
    if (write.mustNotBeSeen) return `write ${stamp} was seen after it was cancelled unsent`;
    if (start > latest) return `write ${stamp} to a superseded controller took effect`;
    const firstEnd = Math.min(end, latest, ...seen.map((read) => read.end));
    const lastStart = Math.max(start, ...seen.map((read) => read.start));
    if (firstEnd < start) return `write ${stamp} was read before it began`;
    if (firstEnd < lastStart) forward.push({ stamp, from: firstEnd, to: lastStart });
    else backward.push({ stamp, from: lastStart, to: firstEnd });
  }
  forward.sort((a, b) => a.from - b.from);
  for (const [index, zone] of forward.entries()) {
    const next = forward[index + 1];
    if (next !== undefined && next.from < zone.to) return explain(zone, next);
    const inside = backward.find(({ from, to }) => zone.from < from && to < zone.to);
    if (inside !== undefined) return explain(zone, inside);
  }
  return undefined;
}

function explain(zone: Zone, other: Zone): string {
  const show = ({ stamp, from, to }: Zone) => `${stamp} (${from} to ${to})`;
  return `values ${show(zone)} and ${show(other)} cannot both have been the last one written`;
}
