import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openLibrary } from './ffi.ts';

/**
 * Quiet for one whole period: the burst is over. Not sooner, since compiled code is given back too,
 * and the next burst would begin slowly.
 */
const QUIET_MS = 60_000;

/**
 * Gives the memory of a burst of I/O back once it is over. V8 and the C library both keep what they
 * once had, and collect only under pressure, which an idle process is not: a controller would hold
 * 160 MiB for ever after one busy minute, and a node has many volumes.
 */
export class IdleMemory {
  readonly #giveBack: () => void;
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(giveBack: () => void = makeGiveBack()) {
    this.#giveBack = giveBack;
  }

  /** I/O happened. Cheap enough for every operation. */
  touch(): void {
    this.#isBusy = true;
    if (this.#timer === undefined) this.#watch();
  }

  /** No timer runs while nothing happens: the next one starts with the next I/O. */
  #watch(): void {
    this.#isBusy = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isBusy) this.#watch();
      else this.#giveBack();
    }, QUIET_MS);
    this.#timer.unref();
  }
}

function makeGiveBack(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  const libc = openLibrary('libc.so.6', {
    malloc_trim: { arguments: ['u64'], return: 'i32' },
  });
  return () => {
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    libc?.malloc_trim(0n);
  };
}
