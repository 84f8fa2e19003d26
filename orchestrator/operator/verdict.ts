import { type ErrorCode, KeelsonError, messageOf } from '../../replica/common/errors.ts';
import { NoRoom } from '../plan/placement.ts';
import type { Finding } from './conditions.ts';

/** Why what somebody wrote is not in force. Programs may rely on these words (docs/kubernetes.md). */
export const REFUSALS = [
  'InvalidSpec',
  'NoRoom',
  'WouldShrink',
  'TooMany',
  'ChapSecretMissing',
  'ChapSecretForbidden',
  'ChapSecretInvalid',
  'RecordDamaged',
  'WaitsForOtherRule',
  'Failed',
] as const;
export type Refusal = (typeof REFUSALS)[number];

export const ACCEPTED = 'Accepted';

/** What became of an object that people write. */
export interface Verdict {
  readonly accepted: Finding;
  /** Undefined: it is not to be deleted. */
  readonly deletion: Deletion | undefined;
  /** Of the object that was judged. */
  readonly generation: number | undefined;
}

export type Deletion =
  | { readonly state: 'going-on' }
  /** `why` is a sentence, `reason` one word. */
  | {
      readonly state: 'waits';
      readonly reason: 'InitiatorsLoggedIn' | 'Held';
      readonly why: string;
    };

/** A refusal that has a reason of its own. */
export class Refused extends KeelsonError {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string) {
    super('FAILED_PRECONDITION', message);
    this.name = 'Refused';
    this.refusal = refusal;
  }
}

export function acceptedFinding(message: string): Finding {
  return { type: ACCEPTED, status: 'True', reason: ACCEPTED, message };
}

/** What is said of an object that an error keeps from being in force. */
export function refusedFinding(error: unknown): Finding {
  return { type: ACCEPTED, status: 'False', reason: refusalOf(error), message: messageOf(error) };
}

/** Whether an error says nothing of the object, only that this is not the moment. */
export function isPassing(error: unknown): boolean {
  return error instanceof KeelsonError && PASSING.includes(error.code);
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refused) return error.refusal;
  if (error instanceof NoRoom) return 'NoRoom';
  return (error instanceof KeelsonError ? REFUSAL_OF[error.code] : undefined) ?? 'Failed';
}

const PASSING: readonly ErrorCode[] = [
  'UNAVAILABLE',
  'CONFLICT',
  'NOT_FOUND', // it went while we looked
  'ALREADY_EXISTS', // somebody made it while we looked
];

const REFUSAL_OF: Partial<Readonly<Record<ErrorCode, Refusal>>> = {
  INVALID_ARGUMENT: 'InvalidSpec',
  NO_SPACE: 'TooMany',
};
