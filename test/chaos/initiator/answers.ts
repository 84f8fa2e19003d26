/** What became of a command. `lost`: the session ended first, so nobody knows. */
export type Answer =
  | { readonly kind: 'good'; readonly data: Buffer }
  | { readonly kind: 'refused'; readonly reason: string; readonly isExpected: boolean }
  | { readonly kind: 'lost'; readonly reason: string };

const STATUS_GOOD = 0x00;
const STATUS_CHECK_CONDITION = 0x02;

/** Statuses and sense keys that an initiator answers by trying again (SAM-5 5.3, SPC-4 4.5.6). */
const RETRIED_STATUSES: ReadonlyMap<number, string> = new Map([
  [0x08, 'BUSY'],
  [0x28, 'TASK SET FULL'],
  [0x40, 'TASK ABORTED'],
]);
const RETRIED_KEYS: ReadonlyMap<number, string> = new Map([
  [0x2, 'NOT READY'],
  [0x6, 'UNIT ATTENTION'],
  [0xb, 'ABORTED COMMAND'],
]);

/** DATA PROTECT with this code is "space allocation failed": a full disk, which may end. */
const SPACE_ALLOCATION_FAILED = 0x2707;

/** @param senseData fixed format, as a SCSI Response carries it behind two bytes of length */
export function answerOf(status: number, data: Buffer, senseData: Buffer): Answer {
  if (status === STATUS_GOOD) return { kind: 'good', data };
  if (status !== STATUS_CHECK_CONDITION) {
    const name = RETRIED_STATUSES.get(status);
    return refused(name ?? `status 0x${status.toString(16)}`, name !== undefined);
  }
  const key = (senseData[2] ?? 0) & 0xf;
  const code = ((senseData[12] ?? 0) << 8) | (senseData[13] ?? 0);
  if (code === SPACE_ALLOCATION_FAILED) return refused('SPACE ALLOCATION FAILED', true);
  const name = RETRIED_KEYS.get(key);
  const words = `${name ?? `sense key 0x${key.toString(16)}`} ${code.toString(16).padStart(4, '0')}`;
  return refused(words, name !== undefined);
}

function refused(reason: string, isExpected: boolean): Answer {
  return { kind: 'refused', reason, isExpected };
}
