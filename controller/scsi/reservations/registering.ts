import { failCdbField, failParameterField, succeed } from '../outcome.ts';
import { SENSE } from '../sense.ts';
import { BASIC, type BasicList, MOVE, type MoveList } from './parameter-list.ts';
import {
  isAllRegistrants,
  isForRegistrants,
  isHolder,
  keyOf,
  MAX_REGISTRATIONS,
  makeReservation,
  NOTHING_RESERVED,
  type ReservationState,
  readType,
  withNextGeneration,
  withoutRegistrations,
  withRegistration,
} from './state.ts';
import { change, conflict, failForWantOfRoom, failRelease, type Verdict } from './verdict.ts';

/** REGISTER (SPC-4 clause 5.13.7, table 67), of a list of `transferBytes`. */
export function register(state: ReservationState, port: string, list: BasicList): Verdict {
  const key = keyOf(state, port);
  if (list.key !== (key ?? 0n)) return conflict();
  if (key === undefined && list.serviceActionKey === 0n) return succeed(list.bytes);
  if (key !== undefined && list.ports !== undefined) return failParameterField(BASIC.flags);
  if (list.ports?.some((other) => other === port || keyOf(state, other) !== undefined)) {
    return failParameterField(BASIC.transportIds);
  }
  return registerPorts(state, port, list);
}

/** REGISTER AND IGNORE EXISTING KEY (SPC-4 clause 5.13.7, table 68). */
export function registerAndIgnore(state: ReservationState, port: string, list: BasicList): Verdict {
  const isRegistered = keyOf(state, port) !== undefined;
  if (!isRegistered && list.serviceActionKey === 0n) return succeed(list.bytes);
  return registerPorts(state, port, list);
}

function registerPorts(state: ReservationState, port: string, list: BasicList): Verdict {
  const { serviceActionKey, aptpl } = list;
  const next = withNextGeneration({ ...state, aptpl });
  if (serviceActionKey === 0n) return unregister(next, port);
  let registered = withRegistration(next, port, serviceActionKey);
  for (const other of list.ports ?? [])
    registered = withRegistration(registered, other, serviceActionKey);
  if (registered.registrations.length > MAX_REGISTRATIONS) return failForWantOfRoom();
  return change(registered);
}

/** SPC-4 clause 5.13.11.2.3. */
function unregister(state: ReservationState, port: string): Verdict {
  const next = withoutRegistrations(state, (registration) => registration.port === port);
  const released = next.reservation === undefined ? state.reservation : undefined;
  const isTold = released !== undefined && isForRegistrants(released.type);
  const ports = next.registrations.map((registration) => registration.port);
  return change(next, {
    attentions: isTold ? [{ ports, code: SENSE.RESERVATIONS_RELEASED }] : [],
  });
}

/** REGISTER AND MOVE (SPC-4 clause 5.13.8, table 70). */
export function registerAndMove(state: ReservationState, port: string, list: MoveList): Verdict {
  const key = keyOf(state, port);
  if (key === undefined) return conflict();
  if (state.reservation === undefined) {
    return list.key === key ? failCdbField(1) : conflict();
  }
  const { type } = state.reservation;
  if (!isHolder(state, port) || isAllRegistrants(type) || list.key !== key) return conflict();
  if (list.serviceActionKey === 0n) return failParameterField(MOVE.serviceActionKey);
  if (list.destination === port) return failParameterField(MOVE.transportId);
  const { destination, aptpl } = list;
  const registered = withRegistration(state, destination, list.serviceActionKey);
  if (registered.registrations.length > MAX_REGISTRATIONS) return failForWantOfRoom();
  const moved = { ...registered, reservation: makeReservation(type, destination), aptpl };
  const next = withNextGeneration(moved);
  if (!list.isUnregistering) return change(next);
  return change(withoutRegistrations(next, (registration) => registration.port === port));
}

/**
 * REPLACE LOST RESERVATION (SPC-4 clause 5.13.11.3): nobody else is registered any more, and nobody
 * is told.
 */
export function replaceLost(
  known: ReservationState | 'lost',
  port: string,
  list: BasicList,
  scopeAndType: number,
): Verdict {
  if (known !== 'lost') return failRelease();
  const type = readType(scopeAndType);
  if (type === undefined) return failCdbField(2);
  if (list.key !== 0n) return failParameterField(BASIC.key);
  if (list.serviceActionKey === 0n) return failParameterField(BASIC.serviceActionKey);
  const registered = withRegistration(NOTHING_RESERVED, port, list.serviceActionKey);
  return change({
    ...registered,
    reservation: makeReservation(type, port),
    aptpl: list.aptpl,
  });
}
