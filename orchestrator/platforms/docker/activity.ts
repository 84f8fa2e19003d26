interface Work {
  count: number;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * When something was last done about each process: a container made, started, or seen to end. A list
 * that was asked for before that says nothing about the process any more.
 */
export class Activity {
  readonly #underWay = new Map<string, Work>();
  readonly #lastAt = new Map<string, number>();
  #now = 0;

  /** To be taken before something is looked at. */
  get mark(): number {
    return this.#now;
  }

  /** Whether what was looked at since the mark is still so. */
  isSettledSince(key: string, mark: number): boolean {
    return !this.isUnderWay(key) && (this.#lastAt.get(key) ?? 0) <= mark;
  }

  isUnderWay(key: string): boolean {
    return this.#underWay.has(key);
  }

  async during<T>(key: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#underWay.get(key) ?? { count: 0, done: Promise.withResolvers<void>() };
    this.#underWay.set(key, entry);
    entry.count += 1;
    try {
      return await work();
    } finally {
      entry.count -= 1;
      this.touch(key);
      if (entry.count === 0) {
        this.#underWay.delete(key);
        entry.done.resolve();
      }
    }
  }

  touch(key: string): void {
    this.#now += 1;
    this.#lastAt.set(key, this.#now);
  }

  /** Resolves when nothing is under way. */
  async whenIdle(key: string): Promise<void> {
    for (let work = this.#underWay.get(key); work !== undefined; work = this.#underWay.get(key)) {
      await work.done.promise;
    }
  }

  /** The process is no more, and nothing is under way. */
  forget(key: string): void {
    this.#lastAt.delete(key);
  }
}
