/** The first thing that went wrong ends the run; everything that waits, waits for this too. */
export class Verdict {
  readonly #failed = new AbortController();
  #reason: string | undefined;

  get reason(): string | undefined {
    return this.#reason;
  }

  /** Aborted at the first failure. */
  get signal(): AbortSignal {
    return this.#failed.signal;
  }

  fail(reason: string): void {
    this.#reason ??= reason;
    this.#failed.abort();
  }
}
