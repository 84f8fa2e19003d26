/** Callers that wait for something to happen to a key, each for a bounded time. */
export class Waiters {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Resolves with true when `resolve` is called for the key within that time, with false if not. */
  wait(key: string, timeoutMs: number): Promise<boolean> {
    return new Promise((settle) => {
      const callbacks = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, callbacks);
      const onHappened = () => {
        clearTimeout(timer);
        settle(true);
      };
      const timer = setTimeout(() => {
        callbacks.delete(onHappened);
        settle(false);
      }, timeoutMs);
      callbacks.add(onHappened);
    });
  }

  resolve(key: string): void {
    const callbacks = this.#waiting.get(key);
    this.#waiting.delete(key);
    for (const callback of callbacks ?? []) callback();
  }
}
