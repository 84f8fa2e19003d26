/** Persistent reservation types (SPC-4 clause 6.15.3.4). */
export const RESERVATION_TYPE = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 3,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 5,
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 6,
  WRITE_EXCLUSIVE_ALL_REGISTRANTS: 7,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 8,
} as const;
export type ReservationType = (typeof RESERVATION_TYPE)[keyof typeof RESERVATION_TYPE];

const TYPES: readonly number[] = Object.values(RESERVATION_TYPE);

/**
 * How many I_T nexuses may be registered. A cluster that fences by SCSI has one registration for
 * each path of each node, and no cluster software in use goes beyond 32 nodes.
 */
export const MAX_REGISTRATIONS = 64;

/**
 * An I_T nexus that is registered. The target has one port, so the name of the initiator port is
 * all that tells nexuses apart.
 */
export interface Registration {
  /** `iqn…,i,0x` and the ISID, in lower case. */
  readonly port: string;
  /** Never 0. */
  readonly key: bigint;
}

export interface Reservation {
  readonly type: ReservationType;
  /** The port that holds it; undefined when all registrants do. */
  readonly holder: string | undefined;
}

/** All there is to know of persistent reservations. Values are replaced, never changed. */
export interface ReservationState {
  /** In the order in which they were made; ports are unique. */
  readonly registrations: readonly Registration[];
  /** With a registered holder, or, held by all registrants, with any registration. */
  readonly reservation: Reservation | undefined;
  /** Persist through power loss is activated. */
  readonly aptpl: boolean;
  /** PRGENERATION, 32 bits; 0 after every start, whatever persists (SPC-4 clause 6.15.2). */
  readonly generation: number;
}

export const NOTHING_RESERVED: ReservationState = {
  registrations: [],
  reservation: undefined,
  aptpl: false,
  generation: 0,
};

export function isReservationType(type: number): type is ReservationType {
  return TYPES.includes(type);
}

/** SCOPE and TYPE of the CDB: the type when it is known and the scope is the logical unit, 0. */
export function readType(scopeAndType: number): ReservationType | undefined {
  return isReservationType(scopeAndType) ? scopeAndType : undefined;
}

export function isAllRegistrants(type: ReservationType): boolean {
  return (
    type === RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS ||
    type === RESERVATION_TYPE.EXCLUSIVE_ACCESS_ALL_REGISTRANTS
  );
}

/** Registrants only or all registrants: who is registered may do what the holder may. */
export function isForRegistrants(type: ReservationType): boolean {
  return (
    isAllRegistrants(type) ||
    type === RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY ||
    type === RESERVATION_TYPE.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
  );
}

/** Whether others may still read. */
export function isWriteExclusive(type: ReservationType): boolean {
  return (
    type === RESERVATION_TYPE.WRITE_EXCLUSIVE ||
    type === RESERVATION_TYPE.WRITE_EXCLUSIVE_REGISTRANTS_ONLY ||
    type === RESERVATION_TYPE.WRITE_EXCLUSIVE_ALL_REGISTRANTS
  );
}

/** The key that a port is registered with, or undefined. */
export function keyOf(state: ReservationState, port: string): bigint | undefined {
  return state.registrations.find((registration) => registration.port === port)?.key;
}

/** Whether this port is a persistent reservation holder (SPC-4 clause 5.13.10). */
export function isHolder(state: ReservationState, port: string): boolean {
  const { reservation } = state;
  if (reservation === undefined) return false;
  if (reservation.holder !== undefined) return reservation.holder === port;
  return keyOf(state, port) !== undefined;
}

/** A reservation of this type, made by `port`. */
export function makeReservation(type: ReservationType, port: string): Reservation {
  return { type, holder: isAllRegistrants(type) ? undefined : port };
}

/**
 * Without the registrations that `isRemoved` names, and without the reservation when it has no
 * holder any more (SPC-4 clause 5.13.11.2.1, table 71).
 */
export function withoutRegistrations(
  state: ReservationState,
  isRemoved: (registration: Registration) => boolean,
): ReservationState {
  const registrations = state.registrations.filter((registration) => !isRemoved(registration));
  const { reservation } = state;
  const isHeld =
    reservation?.holder === undefined
      ? registrations.length > 0
      : registrations.some(({ port }) => port === reservation.holder);
  return { ...state, registrations, reservation: isHeld ? reservation : undefined };
}

/** With `port` registered under `key`, in the place of its earlier registration if it has one. */
export function withRegistration(
  state: ReservationState,
  port: string,
  key: bigint,
): ReservationState {
  const { registrations } = state;
  if (keyOf(state, port) === undefined) {
    return { ...state, registrations: [...registrations, { port, key }] };
  }
  return {
    ...state,
    registrations: registrations.map((old) => (old.port === port ? { port, key } : old)),
  };
}

/** One PERSISTENT RESERVE OUT more that counts (SPC-4 clause 6.16.2, table 213). */
export function withNextGeneration(state: ReservationState): ReservationState {
  return { ...state, generation: (state.generation + 1) >>> 0 };
}
