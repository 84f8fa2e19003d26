import type { Handler, LogicalUnit } from '../logical-unit.ts';
import { answer, failCdbField } from '../outcome.ts';
import type { ScsiCommand } from '../plan.ts';
import { type BasicList, readBasicList, readMoveList } from './parameter-list.ts';
import { preempt } from './preempting.ts';
import { register, registerAndIgnore, registerAndMove, replaceLost } from './registering.ts';
import { makeCapabilities, makeFullStatus, makeKeys, makeReservationReport } from './reports.ts';
import type { Knowledge } from './reservations.ts';
import { clear, release, reserve } from './reserving.ts';
import type { ReservationState } from './state.ts';
import { conflict, failLost, type Verdict } from './verdict.ts';

/** Handlers of PERSISTENT RESERVE IN (SPC-4 clause 6.15), by what they report. */
export const readKeys: Handler = reports(makeKeys);
export const readReservation: Handler = reports(makeReservationReport);
export const reportCapabilities: Handler = reports(makeCapabilities);
export const readFullStatus: Handler = reports(makeFullStatus);

/** Handlers of PERSISTENT RESERVE OUT (SPC-4 clause 6.16), by service action. */
export const outRegister: Handler = changes(register, { maySpecifyPorts: true });
export const outRegisterAndIgnore: Handler = changes(registerAndIgnore);
export const outReserve: Handler = changes(reserve);
export const outRelease: Handler = changes(release);
export const outClear: Handler = changes(clear);
export const outPreempt: Handler = changes((state, port, list, scopeAndType) =>
  preempt(state, port, list, { scopeAndType, isAborting: false }),
);
export const outPreemptAndAbort: Handler = changes((state, port, list, scopeAndType) =>
  preempt(state, port, list, { scopeAndType, isAborting: true }),
);

const LIST_LENGTH_AT = 5;

export const outRegisterAndMove: Handler = ({ reservations }, { nexus, cdb, dataOut }) => {
  const list = readMoveList(dataOut, cdb.readUInt32BE(LIST_LENGTH_AT));
  if ('kind' in list) return list;
  return reservations.change(nexus, list.bytes, (known, port) =>
    known === 'lost' ? failLost() : registerAndMove(known, port, list),
  );
};

export const outReplaceLost: Handler = (unit, command) => plan(unit, command, replaceLost, false);

/** RESERVE(6) and (10), of the whole unit and for the sender itself (SPC-2 clauses 7.21 and 7.22). */
export const reserveLegacy: Handler = ({ reservations }, { nexus, cdb }) =>
  asksForMore(cdb) ? failCdbField(1) : reservations.reserveLegacy(nexus);

/** RELEASE(6) and (10) (SPC-2 clauses 7.16 and 7.17). */
export const releaseLegacy: Handler = ({ reservations }, { nexus, cdb }) =>
  asksForMore(cdb) ? failCdbField(1) : reservations.releaseLegacy(nexus);

/** Third parties, extents and long identifiers are not supported. */
function asksForMore(cdb: Buffer): boolean {
  return (cdb.readUInt8(1) & 0x1f) !== 0;
}

function reports(make: (state: ReservationState) => Buffer): Handler {
  return ({ reservations }, { cdb }) => {
    const { known, legacyHolder } = reservations;
    if (known === 'lost') return failLost();
    // Even from the nexus that holds it (SPC-2 clause 5.5.1).
    if (legacyHolder !== undefined) return conflict();
    return answer(make(known), cdb.readUInt16BE(7));
  };
}

type ServiceAction<Known> = (
  known: Known,
  port: string,
  list: BasicList,
  scopeAndType: number,
) => Verdict;

function changes(
  action: ServiceAction<ReservationState>,
  { maySpecifyPorts = false } = {},
): Handler {
  return (unit, command) =>
    plan(
      unit,
      command,
      (known, ...rest) => (known === 'lost' ? failLost() : action(known, ...rest)),
      maySpecifyPorts,
    );
}

function plan(
  { reservations }: LogicalUnit,
  { nexus, cdb, dataOut }: ScsiCommand,
  action: ServiceAction<Knowledge>,
  maySpecifyPorts: boolean,
) {
  const list = readBasicList(dataOut, cdb.readUInt32BE(LIST_LENGTH_AT), maySpecifyPorts);
  if ('kind' in list) return list;
  const scopeAndType = cdb.readUInt8(2);
  return reservations.change(nexus, list.bytes, (known, port) =>
    action(known, port, list, scopeAndType),
  );
}
