import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Beyond what the first second took, which fills caches and compiles code. */
export const GROWTH_LIMIT_BYTES: number = 64 * 1024 ** 2;

/** Looks, now and then, whether inputs leave something behind. */
export class MemoryWatch {
  readonly #collect: () => void;
  #firstBytes: number | undefined;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  /** How much more is in use than at the first call, once what nobody holds was collected. */
  growthBytes(): number {
    this.#collect();
    const { heapUsed, external } = process.memoryUsage();
    this.#firstBytes ??= heapUsed + external;
    return heapUsed + external - this.#firstBytes;
  }
}
