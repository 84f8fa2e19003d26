/**
 * Counts hellos, and within an epoch from a number of its own: so a controller of an older epoch,
 * however often it says hello to a disk that was rolled back, never brings it up to what the record
 * knows (I5).
 */
export function nextSession(session: number, epoch: number): number {
  return Math.max(session + 1, epoch * SESSIONS_PER_EPOCH);
}

/** Leaves room for 2^33 epochs in a safe integer. */
const SESSIONS_PER_EPOCH = 2 ** 20;
