import { assert } from '../../replica/common/assert.ts';

/** Every wait of the data path in one place; milliseconds. */
export interface Timing {
  /** How long I/O that is not allowed is held before it fails (design section 6). */
  readonly holdMs: number;
  /** How often a link that is up is asked for a sign of life. */
  readonly heartbeatMs: number;
  /** A copy that gave no sign of life for this long is lost. */
  readonly silenceMs: number;
  /** A copy that left one operation unanswered for this long is lost. */
  readonly operationMs: number;
  /**
   * How long a start waits for in-sync copies when it could go on without them. I/O waits as long; but
   * a replica that was killed together with its controller is back by then, and is not struck off.
   */
  readonly gatherMs: number;
  /**
   * How long a copy's lease on reads lasts by the copy's clock (I7). Longer than it takes to strike
   * off a silent copy, so that reads go on meanwhile.
   */
  readonly leaseMs: number;
  /** Pause before the registry is asked again after it did not answer. */
  readonly registryRetryMs: number;
}

export const DEFAULT_TIMING: Timing = {
  holdMs: 20_000,
  heartbeatMs: 1_000,
  silenceMs: 3_000,
  operationMs: 15_000,
  gatherMs: 2_000,
  leaseMs: 5_000,
  registryRetryMs: 250,
};

/** Initiators give a command 30 s by default; everything here must be over well before that. */
const INITIATOR_COMMAND_MS = 30_000;

assert(DEFAULT_TIMING.holdMs < INITIATOR_COMMAND_MS, 'a hold ends before the initiator gives up');
assert(DEFAULT_TIMING.operationMs < INITIATOR_COMMAND_MS, 'a lost copy is found before that too');
assert(DEFAULT_TIMING.silenceMs >= 3 * DEFAULT_TIMING.heartbeatMs, 'one late beat is not death');
