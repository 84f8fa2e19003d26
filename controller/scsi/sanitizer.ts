import { assert } from '../../replica/common/assert.ts';

export type SanitizeState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly doneBytes: number; readonly totalBytes: number }
  /** Until another one succeeds or, if `allowsExit` (AUSE), the initiator exits from it. */
  | { readonly kind: 'failed'; readonly allowsExit: boolean };

const IDLE: SanitizeState = { kind: 'idle' };

/** Whether a sanitize operation runs on the logical unit, or did and failed (SBC-3 clause 4.11). */
export class Sanitizer {
  #state: SanitizeState = IDLE;

  get state(): SanitizeState {
    return this.#state;
  }

  start(totalBytes: number): void {
    assert(this.#state.kind !== 'running', 'one sanitize operation at a time');
    this.#state = { kind: 'running', doneBytes: 0, totalBytes };
  }

  advance(bytes: number): void {
    assert(this.#state.kind === 'running', 'only a running sanitize operation makes progress');
    this.#state = { ...this.#state, doneBytes: this.#state.doneBytes + bytes };
  }

  succeed(): void {
    this.#state = IDLE;
  }

  fail(allowsExit: boolean): void {
    this.#state = { kind: 'failed', allowsExit };
  }

  /** EXIT FAILURE MODE. Returns whether that is allowed. */
  exitFailure(): boolean {
    if (this.#state.kind === 'failed' && !this.#state.allowsExit) return false;
    this.#state = IDLE;
    return true;
  }
}
