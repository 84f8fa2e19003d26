import { failCdbField, succeed } from '../outcome.ts';
import { SENSE } from '../sense.ts';
import type { BasicList } from './parameter-list.ts';
import {
  isForRegistrants,
  isHolder,
  keyOf,
  makeReservation,
  type ReservationState,
  readType,
  withNextGeneration,
} from './state.ts';
import { change, conflict, failRelease, type Verdict } from './verdict.ts';

/** RESERVE (SPC-4 clause 5.13.9). */
export function reserve(
  state: ReservationState,
  port: string,
  list: BasicList,
  scopeAndType: number,
): Verdict {
  if (keyOf(state, port) !== list.key) return conflict();
  const type = readType(scopeAndType);
  if (type === undefined) return failCdbField(2);
  if (state.reservation === undefined) {
    return change({ ...state, reservation: makeReservation(type, port) });
  }
  const isSame = isHolder(state, port) && state.reservation.type === type;
  return isSame ? succeed(list.bytes) : conflict();
}

/** RELEASE (SPC-4 clause 5.13.11.2.2). */
export function release(
  state: ReservationState,
  port: string,
  list: BasicList,
  scopeAndType: number,
): Verdict {
  if (keyOf(state, port) !== list.key) return conflict();
  const { reservation } = state;
  if (reservation === undefined || !isHolder(state, port)) return succeed(list.bytes);
  if (reservation.type !== readType(scopeAndType)) return failRelease();
  const attentions = isForRegistrants(reservation.type)
    ? [{ ports: othersThan(state, port), code: SENSE.RESERVATIONS_RELEASED }]
    : [];
  return change({ ...state, reservation: undefined }, { attentions });
}

/** CLEAR (SPC-4 clause 5.13.11.2.7). */
export function clear(state: ReservationState, port: string, list: BasicList): Verdict {
  if (keyOf(state, port) !== list.key) return conflict();
  return change(withNextGeneration({ ...state, registrations: [], reservation: undefined }), {
    attentions: [{ ports: othersThan(state, port), code: SENSE.RESERVATIONS_PREEMPTED }],
  });
}

function othersThan(state: ReservationState, port: string): string[] {
  return state.registrations.map((other) => other.port).filter((other) => other !== port);
}
