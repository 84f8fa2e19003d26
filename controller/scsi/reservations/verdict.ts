import { STATUS } from '../opcode.ts';
import { fail } from '../outcome.ts';
import type { DonePlan, ScsiPlan } from '../plan.ts';
import { SENSE, type SenseCode } from '../sense.ts';
import type { ReservationState } from './state.ts';

/** Unit attentions that a change establishes for the initiator ports that are logged in. */
export interface PortAttention {
  readonly ports: readonly string[];
  readonly code: SenseCode;
}

/** What a service action does when nothing speaks against it. */
export interface Change {
  readonly kind: 'change';
  readonly state: ReservationState;
  readonly attentions: readonly PortAttention[];
  /** PREEMPT AND ABORT: the ports whose commands are aborted. */
  readonly aborted: readonly string[];
}

/** Either a change, or the end of the command without one: GOOD, a conflict, or an error. */
export type Verdict = Change | ScsiPlan;

export function change(
  state: ReservationState,
  effects: Partial<Pick<Change, 'attentions' | 'aborted'>> = {},
): Change {
  return { kind: 'change', state, attentions: [], aborted: [], ...effects };
}

/** RESERVATION CONFLICT, a status without sense data (SAM-5 clause 5.3.1). */
export function conflict(): DonePlan {
  const outcome = {
    status: STATUS.RESERVATION_CONFLICT,
    dataIn: Buffer.alloc(0),
    sense: undefined,
    transferBytes: 0,
  };
  return { kind: 'done', outcome };
}

/** What was stored cannot be read (SPC-4 clause 5.13.5.3.2). */
export function failLost(): ScsiPlan {
  return fail(SENSE.PERSISTENT_RESERVATION_INFORMATION_LOST);
}

export function failForWantOfRoom(): ScsiPlan {
  return fail(SENSE.INSUFFICIENT_REGISTRATION_RESOURCES);
}

/** A release, or a replacement of what was lost, that does not fit what is reserved. */
export function failRelease(): ScsiPlan {
  return fail(SENSE.INVALID_RELEASE_OF_PERSISTENT_RESERVATION);
}
