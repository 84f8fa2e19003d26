/** As many as one turn of large answers fills. */
const MAX_SPARE = 4;

/**
 * Buffers that are filled with bytes to send, and filled again once those have left. Fresh ones are
 * what keeps the collector busy: at 64 KiB a frame it took more CPU than everything else together.
 *
 * Each goes through: `next` → filled → `handOver` → the sockets' → `reclaim` → `next`.
 */
export class ArenaPool {
  readonly #bytes: number;
  #spare: Buffer[] = [];
  #filled: Buffer[] = [];
  #sending: Buffer[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** One with room for `bytes`, in place of `full`. */
  next(full: Buffer | undefined, bytes: number): Buffer {
    if (full?.length === this.#bytes) this.#filled.push(full);
    if (bytes > this.#bytes) return Buffer.allocUnsafeSlow(bytes);
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** All that were filled belong to the sockets now. */
  handOver(): void {
    if (this.#filled.length === 0) return;
    this.#sending.push(...this.#filled);
    this.#filled = [];
  }

  /** The sockets have sent all that they were handed. */
  reclaim(): void {
    if (this.#sending.length === 0) return;
    this.#spare = [...this.#spare, ...this.#sending].slice(0, MAX_SPARE);
    this.#sending = [];
  }
}
