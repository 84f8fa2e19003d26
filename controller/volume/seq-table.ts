/**
 * Things under way, by their seq. Seqs are given out in rising order and most things end in about
 * that order, so a ring addressed by the low bits of the seq finds each in one step, without hashing
 * and without garbage; it doubles when the oldest and the newest do not fit together.
 */
export class SeqTable<T extends { readonly seq: number }> {
  #slots: (T | undefined)[] = new Array(INITIAL_SLOTS).fill(undefined);
  #size = 0;
  /** No entry has a seq below this one; moved up as the oldest entries end. */
  #oldest = 0;
  #newest = -1;

  get size(): number {
    return this.#size;
  }

  add(entry: T): void {
    if (this.#size === 0) this.#oldest = entry.seq;
    else if (entry.seq - this.#oldest >= this.#slots.length) this.#makeRoom(entry.seq);
    this.#slots[entry.seq & (this.#slots.length - 1)] = entry;
    this.#newest = entry.seq;
    this.#size += 1;
  }

  get(seq: number): T | undefined {
    const entry = this.#slots[seq & (this.#slots.length - 1)];
    return entry?.seq === seq ? entry : undefined;
  }

  delete(seq: number): void {
    if (this.get(seq) === undefined) return;
    this.#slots[seq & (this.#slots.length - 1)] = undefined;
    this.#size -= 1;
  }

  /** In seq order. Entries may be deleted meanwhile; what is added meanwhile is visited too. */
  *values(): IterableIterator<T> {
    if (this.#size === 0) return;
    this.#skipEnded();
    for (let seq = this.#oldest; seq <= this.#newest; seq += 1) {
      const entry = this.get(seq);
      if (entry !== undefined) yield entry;
    }
  }

  #makeRoom(seq: number): void {
    this.#skipEnded();
    let slotCount = this.#slots.length;
    while (seq - this.#oldest >= slotCount) slotCount *= 2;
    if (slotCount === this.#slots.length) return;
    const entries = [...this.values()];
    this.#slots = new Array(slotCount).fill(undefined);
    for (const entry of entries) this.#slots[entry.seq & (slotCount - 1)] = entry;
  }

  #skipEnded(): void {
    while (this.#oldest <= this.#newest && this.get(this.#oldest) === undefined) this.#oldest += 1;
  }
}

/** A session's command window is 128 deep; reads and writes of a few sessions fit. */
const INITIAL_SLOTS = 1024;
