import { type Stamp, ZERO } from './content.ts';

/** One write or trim, of however many blocks; a trim has the stamp `ZERO`. */
export interface Write {
  readonly stamp: Stamp;
  readonly isFua: boolean;
  readonly start: number;
  /** When it was acknowledged; never, when nobody knows whether it happened. */
  end: number;
  /** A controller that was replaced cannot have had it happen later than this (I4, I6). */
  latest: number;
  mustNotBeSeen: boolean;
}

/** A value that the register may have held, in the interval in which it was written. */
interface Value {
  readonly stamp: Stamp;
  readonly start: number;
  /** It was there by then, if it ever was. */
  readonly latest: number;
  /** It was there by then for certain: acknowledged, or read. */
  readonly surely: number;
  readonly isFua: boolean;
  /** Sectors of a torn block come from these. */
  readonly parts: readonly Stamp[];
  readonly write: Write | undefined;
}

/** The first moment at which a value was read, and the last. */
interface Seen {
  firstEnd: number;
  lastStart: number;
}

export const NEVER = Number.POSITIVE_INFINITY;

const BLANK: Write = {
  ...{ stamp: ZERO, isFua: false, start: 0, end: 0, latest: NEVER, mustNotBeSeen: false },
};

/**
 * One block as a register with unique values: tells whether its history can be put in order. After
 * a power loss that the volume owned up to, a new history begins with any one of the values that no
 * flush had covered (`forget`).
 */
export class Register {
  #writes: Write[] = [BLANK];
  #seen = new Map<Stamp, Seen>();
  /** Which trim a zero is from cannot be told, so each read of zeros is looked at by itself. */
  #zeros: Seen[] = [];
  /** What the last power loss may have left, unless a flush that was still out covered more. */
  #left: readonly Value[] = [];
  #lossTick = -1;
  #torn: Value[] = [];

  add(write: Write): void {
    this.#writes.push(write);
  }

  read(stamp: Stamp, start: number, end: number): void {
    if (start < this.#lossTick) {
      // Begun before the loss, it may show what was there before as well.
      if (!this.#writes.some((write) => write.stamp === stamp)) return;
      start = this.#lossTick;
    }
    if (stamp === ZERO) this.#zeros.push({ firstEnd: end, lastStart: start });
    const seen = this.#seen.get(stamp);
    if (seen === undefined) {
      this.#seen.set(stamp, { firstEnd: end, lastStart: start });
      return;
    }
    seen.firstEnd = Math.min(seen.firstEnd, end);
    seen.lastStart = Math.max(seen.lastStart, start);
  }

  /** Sectors of several writes in one block: only a power loss leaves that. */
  addTorn(stamp: Stamp, parts: readonly Stamp[]): void {
    if ([...this.#torn, ...this.#left].some((value) => value.stamp === stamp)) return;
    const write = undefined;
    this.#torn.push({ ...this.#asLeft(stamp), parts, write });
  }

  /** Whether everything that shows `stamp` was over, and replaced, before `tick`. */
  isOlder(stamp: Stamp, tick: number): boolean {
    if (tick < this.#lossTick) return false;
    const writes = this.#writes.filter((write) => write.stamp === stamp);
    return writes.every((write) => Math.min(write.end, write.latest) < tick);
  }

  /**
   * The volume said that writes may be lost.
   * @param coveredUntil everything acknowledged before that was flushed
   * @param coveredBefore as in `whyNotLinearizable`, of the loss before this one
   */
  forget(tick: number, coveredUntil: number, coveredBefore: number): void {
    const values = this.#values(coveredBefore);
    this.#writes = this.#writes.filter(({ end }) => end === NEVER);
    const underWay = new Set<Write | undefined>(this.#writes);
    this.#left = withoutCovered(values, coveredUntil).filter(
      ({ write }) => write === undefined || !underWay.has(write),
    );
    this.#lossTick = tick;
    this.#seen = new Map();
    this.#zeros = [];
    this.#torn = [];
  }

  /** @param coveredBefore as `coveredUntil`, by flushes that began before the last loss and ended later */
  whyNotLinearizable(coveredBefore: number): string | undefined {
    const values = this.#values(coveredBefore);
    const known = new Set(values.map(({ stamp }) => stamp));
    for (const stamp of this.#seen.keys()) {
      if (!known.has(stamp)) return `a read showed ${stamp}, ${this.#explainUnknown(stamp)}`;
    }
    return (
      this.#whyTorn(values) ?? whyNotOrdered(values, this.#seen) ?? this.#whyWrongZeros(values)
    );
  }

  #explainUnknown(stamp: Stamp): string {
    const wasLost = this.#left.some((value) => value.stamp === stamp);
    return wasLost ? 'which a flush had replaced for good' : 'which is not there to be read';
  }

  #whyTorn(values: readonly Value[]): string | undefined {
    const others = values.filter((value) => !this.#torn.includes(value));
    const whole = new Set(others.flatMap(({ parts }) => parts));
    for (const { stamp, parts } of this.#torn) {
      if (!this.#seen.has(stamp)) continue;
      if (this.#lossTick < 0) return `a torn block was read: ${parts.join(' ')}`;
      const wrong = parts.find((part) => !whole.has(part));
      if (wrong !== undefined) return `a sector of a torn block showed ${wrong}`;
    }
    return undefined;
  }

  #whyWrongZeros(values: readonly Value[]): string | undefined {
    const zeros = values.filter(({ stamp }) => stamp === ZERO);
    if (zeros.length === 1) return undefined; // judged like any other value
    for (const { firstEnd, lastStart } of this.#zeros) {
      const isRight = zeros.some((zero) => {
        if (zero.start > firstEnd) return false;
        const end = isLeft(zero) ? zero.latest : Math.min(zero.write?.end ?? NEVER, zero.latest);
        return !values.some((value) => end < value.start && value.surely < lastStart);
      });
      if (!isRight) return 'zeros were read that something had replaced';
    }
    return undefined;
  }

  /** All that may have been there since the last power loss. */
  #values(coveredBefore: number): Value[] {
    const left = withoutCovered(this.#left, coveredBefore).map((value) => ({
      ...this.#asLeft(value.stamp),
      ...{ parts: value.parts, write: value.write },
    }));
    const written = this.#writes.map((write): Value => {
      const { stamp, isFua, end } = write;
      const seen = stamp === ZERO ? undefined : this.#seen.get(stamp);
      return {
        ...{ stamp, isFua, write, parts: [stamp] },
        // What was under way at the loss may have happened before or after it.
        start: Math.max(write.start, this.#lossTick + 0.5),
        latest: Math.max(write.latest, this.#lossTick + 0.5),
        surely: Math.min(end, seen?.firstEnd ?? NEVER),
      };
    });
    return [...left, ...this.#torn, ...written];
  }

  #asLeft(stamp: Stamp): Value {
    const seen = this.#seen.get(stamp);
    return {
      ...{ stamp, start: this.#lossTick, latest: this.#lossTick, isFua: false },
      ...{ surely: seen?.firstEnd ?? NEVER, parts: [stamp], write: undefined },
    };
  }
}

/** Without those that a durable value had replaced. */
function withoutCovered(values: readonly Value[], coveredUntil: number): Value[] {
  const isDurable = ({ surely, isFua, write }: Value): boolean =>
    surely < coveredUntil || (isFua && write !== undefined && write.end !== NEVER);
  const durable = values.filter(isDurable);
  // Of those that an earlier loss left, only one was really there: the one that was read.
  const firsts = durable.filter(isLeft);
  return values.filter((value) => {
    const end = Math.min(value.surely, value.latest);
    if (durable.some((other) => end < other.start)) return false;
    return !isLeft(value) || firsts.length === 0 || firsts.includes(value);
  });
}

/** There from the beginning of this history, or never. */
function isLeft({ start, latest }: Value): boolean {
  return start === latest;
}

/** From the first moment at which a value must have been there to the last at which it was begun. */
interface Zone {
  readonly stamp: Stamp;
  readonly from: number;
  readonly to: number;
}

/**
 * Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997: with unique values, a
 * history is linearizable if no two zones that stretch over time overlap, and none lies around a
 * zone that does not.
 */
function whyNotOrdered(
  values: readonly Value[],
  seenOf: ReadonlyMap<Stamp, Seen>,
): string | undefined {
  const forward: Zone[] = [];
  const backward: Zone[] = [];
  const zeroCount = values.filter(({ stamp }) => stamp === ZERO).length;
  for (const value of values) {
    const { stamp, start, latest, write } = value;
    const isTold = stamp !== ZERO || zeroCount === 1;
    const seen = isTold ? seenOf.get(stamp) : undefined;
    const end = write === undefined || isLeft(value) ? NEVER : write.end;
    if (seen === undefined && end === NEVER) continue;
    if (write?.mustNotBeSeen) return `write ${stamp} was seen after it was cancelled unsent`;
    if (start > latest) return `write ${stamp} to a superseded controller took effect`;
    const firstEnd = Math.min(end, latest, seen?.firstEnd ?? NEVER);
    const lastStart = Math.max(start, seen?.lastStart ?? start);
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
