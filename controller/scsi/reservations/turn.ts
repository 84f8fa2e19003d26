import { assert } from '../../../replica/common/assert.ts';
import type { Gate } from '../prelude.ts';

/** Lets one command at a time change the reservations, in the order in which they came. */
export class Turn implements Gate {
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;
  #isPassingOn = false;

  enter(pass: () => void): void {
    this.#waiting.push(pass);
    this.#passOn();
  }

  withdraw(pass: () => void): void {
    const at = this.#waiting.indexOf(pass);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Whoever passed is done. */
  free(): void {
    assert(this.#isTaken, 'a turn is freed by who has it');
    this.#isTaken = false;
    this.#passOn();
  }

  /** A loop, as thousands may wait, each of whom is done while it passes and frees the turn within. */
  #passOn(): void {
    if (this.#isPassingOn) return;
    this.#isPassingOn = true;
    while (!this.#isTaken) {
      const pass = this.#waiting.shift();
      if (pass === undefined) break;
      this.#isTaken = true;
      pass();
    }
    this.#isPassingOn = false;
  }
}
