import type { State } from './state.ts';

/** Where the state of an installation is kept. */
export interface StateStore {
  /** As it is there, as far as we know. */
  readonly state: State;
  /** Slots are below it. */
  readonly slotLimit: number;
  /**
   * Makes `after` durable in place of `before`. One at a time, as the caller sees to.
   *
   * Errors: CONFLICT when somebody else changed the same before us, whose state is ours by then;
   * NO_SPACE, nothing has changed; IO_FAILED, nobody knows what has.
   */
  write(before: State, after: State): Promise<void>;
  /**
   * Has the volume of this address as it is there, if others may have changed it.
   *
   * Errors: UNAVAILABLE.
   */
  refresh(address: string): Promise<void>;
  /** Throws when an earlier write failed in a way that leaves unknown what is there. */
  checkUsable(): void;
  /** Calls `listener` with the state before and after whenever somebody else changed it. */
  subscribe(listener: (before: State, after: State) => void): void;
}
