import { SeededRandom } from '../support/random.ts';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

/** Virtual time and the only source of chance: the same seed gives the same run, step by step. */
export class Scheduler {
  nowMs = 0;
  readonly random: SeededRandom;
  /** A binary heap by time, then by order of entry. */
  readonly #heap: Entry[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  after(delayMs: number, action: () => void): void {
    this.#order += 1;
    const entry = { atMs: this.nowMs + delayMs, order: this.#order, action };
    let at = this.#heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, this.#heap[parent]!)) break;
      this.#heap[at] = this.#heap[parent]!;
      at = parent;
    }
    this.#heap[at] = entry;
  }

  /** Runs for this long. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    this.runUntil(() => false, durationMs);
    this.nowMs = endMs;
  }

  /** Runs until `isDone`, at most `limitMs`; says whether it came to be. */
  runUntil(isDone: () => boolean, limitMs: number): boolean {
    const endMs = this.nowMs + limitMs;
    while (!isDone()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) return false;
      this.#pop();
      this.nowMs = next.atMs;
      next.action();
    }
    return true;
  }

  #pop(): void {
    const last = this.#heap.pop()!;
    const { length } = this.#heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(this.#heap[child + 1]!, this.#heap[child]!)) child += 1;
      if (!isBefore(this.#heap[child]!, last)) break;
      this.#heap[at] = this.#heap[child]!;
      at = child;
    }
    this.#heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
