import { assert } from '../../../replica/common/assert.ts';
import type { Gate } from '../prelude.ts';

/** Lets one command at a time change the reservations, in the order in which they came. */
export class Turn implements Gate {
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;

  enter(pass: () => void): void {
    if (this.#isTaken) {
      this.#waiting.push(pass);
      return;
    }
    this.#isTaken = true;
    pass();
  }

  withdraw(pass: () => void): void {
    const at = this.#waiting.indexOf(pass);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Whoever passed is done. */
  free(): void {
    assert(this.#isTaken, 'a turn is freed by who has it');
    const next = this.#waiting.shift();
    this.#isTaken = next !== undefined;
    next?.();
  }
}
