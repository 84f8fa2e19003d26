/** The door to time. Pure folders get `nowMs` in the event instead. */
export interface Clock {
  /** Milliseconds of a monotonic clock; only differences mean anything. */
  nowMs(): number;
}

export const monotonicClock: Clock = { nowMs: () => performance.now() };
