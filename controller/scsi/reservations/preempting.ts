import { failCdbField, failParameterField } from '../outcome.ts';
import { SENSE } from '../sense.ts';
import { BASIC, type BasicList } from './parameter-list.ts';
import {
  keyOf,
  makeReservation,
  type Registration,
  type ReservationState,
  readType,
  withNextGeneration,
  withoutRegistrations,
} from './state.ts';
import { change, conflict, type PortAttention, type Verdict } from './verdict.ts';

export interface Preemption {
  /** Of the CDB; looked at only when the reservation itself is preempted. */
  readonly scopeAndType: number;
  /** PREEMPT AND ABORT. */
  readonly isAborting: boolean;
}

/** PREEMPT and PREEMPT AND ABORT (SPC-4 clause 5.13.11.2.4, table 72 and figure 9). */
export function preempt(
  state: ReservationState,
  port: string,
  list: BasicList,
  how: Preemption,
): Verdict {
  if (keyOf(state, port) !== list.key) return conflict();
  const { reservation } = state;
  const key = list.serviceActionKey;
  if (reservation !== undefined) {
    const { holder } = reservation;
    const holderKey = holder === undefined ? 0n : keyOf(state, holder);
    if (key === holderKey) return takeOver(state, port, key, how);
    if (key === 0n) return failParameterField(BASIC.serviceActionKey);
  }
  return removeRegistrations(state, port, key, how);
}

/** SPC-4 clause 5.13.11.2.4.3; with key 0 all other registrations go. */
function takeOver(
  state: ReservationState,
  port: string,
  key: bigint,
  { scopeAndType, isAborting }: Preemption,
): Verdict {
  const type = readType(scopeAndType);
  if (type === undefined) return failCdbField(2);
  const isNamed = (registration: Registration) =>
    registration.port !== port && (key === 0n || registration.key === key);
  const removed = portsOf(state.registrations.filter(isNamed));
  const kept = withoutRegistrations(state, isNamed);
  const attentions: PortAttention[] = [{ ports: removed, code: SENSE.REGISTRATIONS_PREEMPTED }];
  if (state.reservation?.type !== type) {
    const ports = portsOf(kept.registrations).filter((other) => other !== port);
    attentions.push({ ports, code: SENSE.RESERVATIONS_RELEASED });
  }
  const next = withNextGeneration({ ...kept, reservation: makeReservation(type, port) });
  return change(next, { attentions, aborted: isAborting ? removed : [] });
}

/** SPC-4 clause 5.13.11.2.5. Who names its own key is itself removed, and not told. */
function removeRegistrations(
  state: ReservationState,
  port: string,
  key: bigint,
  { isAborting }: Preemption,
): Verdict {
  const isNamed = (registration: Registration) => registration.key === key;
  const removed = portsOf(state.registrations.filter(isNamed));
  if (removed.length === 0) return conflict();
  const others = removed.filter((other) => other !== port);
  return change(withNextGeneration(withoutRegistrations(state, isNamed)), {
    attentions: [{ ports: others, code: SENSE.REGISTRATIONS_PREEMPTED }],
    aborted: isAborting ? removed : [],
  });
}

function portsOf(registrations: readonly Registration[]): string[] {
  return registrations.map(({ port }) => port);
}
