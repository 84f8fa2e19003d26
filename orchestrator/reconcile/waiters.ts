/** Callers that wait for something to happen to a key, each for a bounded time. */
export class Waiters {
  readonly #waiting = new Map<string, Set<(hasHappened: boolean) => void>>();
  #isClosed = false;

  /**
   * Resolves with true when `resolve` is called for the key within that time; with false when it is
   * not, when the caller gives up, or when everything ends.
   */
  wait(key: string, timeoutMs: number, givenUp?: AbortSignal): Promise<boolean> {
    if (this.#isClosed || givenUp?.aborted === true) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const callbacks = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, callbacks);
    const onAbort = () => settle(false);
    const timer = setTimeout(onAbort, timeoutMs);
    const settle = (hasHappened: boolean) => {
      clearTimeout(timer);
      givenUp?.removeEventListener('abort', onAbort);
      callbacks.delete(settle);
      if (callbacks.size === 0 && this.#waiting.get(key) === callbacks) this.#waiting.delete(key);
      resolve(hasHappened);
    };
    callbacks.add(settle);
    givenUp?.addEventListener('abort', onAbort);
    return promise;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  countOf(key: string): number {
    return this.#waiting.get(key)?.size ?? 0;
  }

  resolve(key: string): void {
    for (const settle of [...(this.#waiting.get(key) ?? [])]) settle(true);
  }

  /** Nobody waits any longer, now or later. */
  close(): void {
    this.#isClosed = true;
    const all = [...this.#waiting.values()].flatMap((callbacks) => [...callbacks]);
    for (const settle of all) settle(false);
  }
}
