import { readCapacity10, readCapacity16 } from './capacity.ts';
import { inquiry } from './inquiry.ts';
import { getLbaStatus } from './lba-status.ts';
import type { CommandSpec, Handler } from './logical-unit.ts';
import { modeSelect6, modeSelect10, modeSense6, modeSense10 } from './mode.ts';
import { OPCODE, RESERVE_IN, RESERVE_OUT, SERVICE_ACTION } from './opcode.ts';
import { unmap, writeSame10, writeSame16 } from './provisioning.ts';
import { preFetch, read, read6, synchronizeCache, write, write6 } from './read-write.ts';
import { reportOpcodes, reportTaskFunctions } from './report-opcodes.ts';
import {
  outClear,
  outPreempt,
  outPreemptAndAbort,
  outRegister,
  outRegisterAndIgnore,
  outRegisterAndMove,
  outRelease,
  outReplaceLost,
  outReserve,
  readFullStatus,
  readKeys,
  readReservation,
  releaseLegacy,
  reportCapabilities,
  reserveLegacy,
} from './reservations/commands.ts';
import {
  preventAllowMediumRemoval,
  reportLuns,
  requestSense,
  startStopUnit,
  testUnitReady,
} from './unit-commands.ts';
import { compareAndWrite, orWrite, verify, writeAndVerify } from './verify.ts';

const LBA_32 = 'ffffffff';
const LBA_64 = 'ffffffffffffffff';

/**
 * Every command there is, in one place: the usage bits of its CDB, operation code left out, and who
 * carries it out.
 */
export const COMMANDS: readonly CommandSpec[] = [
  row(OPCODE.TEST_UNIT_READY, '00 0000 00 00', testUnitReady),
  always(row(OPCODE.REQUEST_SENSE, '01 0000 ff 00', requestSense)),
  row(OPCODE.READ_6, '1f ffff ff 00', read6),
  row(OPCODE.WRITE_6, '1f ffff ff 00', write6),
  always(row(OPCODE.INQUIRY, '01 ff ffff 00', inquiry)),
  row(OPCODE.MODE_SELECT_6, '11 0000 ff 00', modeSelect6),
  row(OPCODE.RESERVE_6, '1f 000000 00', reserveLegacy),
  row(OPCODE.RELEASE_6, '1f 000000 00', releaseLegacy),
  row(OPCODE.MODE_SENSE_6, '08 ff ff ff 00', modeSense6),
  row(OPCODE.START_STOP_UNIT, '00 00 00 f7 00', startStopUnit),
  row(OPCODE.PREVENT_ALLOW_MEDIUM_REMOVAL, '00 0000 00 00', preventAllowMediumRemoval),
  row(OPCODE.READ_CAPACITY_10, `00 ${LBA_32} 0000 01 00`, readCapacity10),
  row(OPCODE.READ_10, `18 ${LBA_32} 00 ffff 00`, read),
  row(OPCODE.WRITE_10, `18 ${LBA_32} 00 ffff 00`, write),
  row(OPCODE.WRITE_AND_VERIFY_10, `16 ${LBA_32} 00 ffff 00`, writeAndVerify),
  row(OPCODE.VERIFY_10, `16 ${LBA_32} 00 ffff 00`, verify),
  row(OPCODE.PRE_FETCH_10, `02 ${LBA_32} 00 ffff 00`, preFetch),
  row(OPCODE.SYNCHRONIZE_CACHE_10, `02 ${LBA_32} 00 ffff 00`, synchronizeCache),
  row(OPCODE.WRITE_SAME_10, `08 ${LBA_32} 00 ffff 00`, writeSame10),
  row(OPCODE.UNMAP, '00 00000000 00 ffff 00', unmap),
  row(OPCODE.MODE_SELECT_10, '11 0000000000 ffff 00', modeSelect10),
  row(OPCODE.RESERVE_10, '1f 0000000000 0000 00', reserveLegacy),
  row(OPCODE.RELEASE_10, '1f 0000000000 0000 00', releaseLegacy),
  row(OPCODE.MODE_SENSE_10, '18 ff ff 000000 ffff 00', modeSense10),
  reserveIn(RESERVE_IN.READ_KEYS, readKeys),
  reserveIn(RESERVE_IN.READ_RESERVATION, readReservation),
  reserveIn(RESERVE_IN.REPORT_CAPABILITIES, reportCapabilities),
  reserveIn(RESERVE_IN.READ_FULL_STATUS, readFullStatus),
  reserveOut(RESERVE_OUT.REGISTER, outRegister),
  reserveOut(RESERVE_OUT.RESERVE, outReserve),
  reserveOut(RESERVE_OUT.RELEASE, outRelease),
  reserveOut(RESERVE_OUT.CLEAR, outClear),
  reserveOut(RESERVE_OUT.PREEMPT, outPreempt),
  reserveOut(RESERVE_OUT.PREEMPT_AND_ABORT, outPreemptAndAbort),
  reserveOut(RESERVE_OUT.REGISTER_AND_IGNORE_EXISTING_KEY, outRegisterAndIgnore),
  reserveOut(RESERVE_OUT.REGISTER_AND_MOVE, outRegisterAndMove),
  reserveOut(RESERVE_OUT.REPLACE_LOST_RESERVATION, outReplaceLost),
  row(OPCODE.READ_16, `18 ${LBA_64} ffffffff 00 00`, read),
  row(OPCODE.COMPARE_AND_WRITE, `18 ${LBA_64} 000000ff 00 00`, compareAndWrite),
  row(OPCODE.WRITE_16, `18 ${LBA_64} ffffffff 00 00`, write),
  row(OPCODE.ORWRITE_16, `18 ${LBA_64} ffffffff 00 00`, orWrite),
  row(OPCODE.WRITE_AND_VERIFY_16, `16 ${LBA_64} ffffffff 00 00`, writeAndVerify),
  row(OPCODE.VERIFY_16, `16 ${LBA_64} ffffffff 00 00`, verify),
  row(OPCODE.PRE_FETCH_16, `02 ${LBA_64} ffffffff 00 00`, preFetch),
  row(OPCODE.SYNCHRONIZE_CACHE_16, `02 ${LBA_64} ffffffff 00 00`, synchronizeCache),
  row(OPCODE.WRITE_SAME_16, `09 ${LBA_64} ffffffff 00 00`, writeSame16),
  withServiceAction(
    SERVICE_ACTION.READ_CAPACITY_16,
    row(OPCODE.SERVICE_ACTION_IN_16, '1f 0000000000000000 ffffffff 00 00', readCapacity16),
  ),
  withServiceAction(
    SERVICE_ACTION.GET_LBA_STATUS,
    row(OPCODE.SERVICE_ACTION_IN_16, `1f ${LBA_64} ffffffff 00 00`, getLbaStatus),
  ),
  always(row(OPCODE.REPORT_LUNS, '00 ff 000000 ffffffff 00 00', reportLuns)),
  withServiceAction(
    SERVICE_ACTION.REPORT_SUPPORTED_OPERATION_CODES,
    row(OPCODE.MAINTENANCE_IN, '1f 87 ff ffff ffffffff 00 00', (_unit, { cdb }) =>
      reportOpcodes(COMMANDS, cdb),
    ),
  ),
  withServiceAction(
    SERVICE_ACTION.REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
    row(OPCODE.MAINTENANCE_IN, '1f 80 000000 ffffffff 00 00', reportTaskFunctions),
  ),
  row(OPCODE.READ_12, `18 ${LBA_32} ffffffff 00 00`, read),
  row(OPCODE.WRITE_12, `18 ${LBA_32} ffffffff 00 00`, write),
  row(OPCODE.WRITE_AND_VERIFY_12, `16 ${LBA_32} ffffffff 00 00`, writeAndVerify),
  row(OPCODE.VERIFY_12, `16 ${LBA_32} ffffffff 00 00`, verify),
];

const SERVICE_ACTION_BITS = 0x1f;
/** By operation code: what every read and write is looked up in. */
const PLAIN: (CommandSpec | undefined)[] = new Array(256).fill(undefined);
const WITH_SERVICE_ACTION: CommandSpec[] = [];
for (const command of COMMANDS) {
  if (command.serviceAction === undefined) PLAIN[command.opcode] = command;
  else WITH_SERVICE_ACTION.push(command);
}

/** The row of a CDB; or which of its bytes, operation code or service action, nobody knows. */
export function findCommand(cdb: Buffer): CommandSpec | 'no-opcode' | 'no-service-action' {
  const opcode = cdb[0];
  if (opcode === undefined) return 'no-opcode';
  const plain = PLAIN[opcode];
  if (plain !== undefined) return plain;
  const rows = WITH_SERVICE_ACTION.filter((command) => command.opcode === opcode);
  if (rows.length === 0) return 'no-opcode';
  const serviceAction = (cdb[1] ?? 0) & SERVICE_ACTION_BITS;
  return rows.find((command) => command.serviceAction === serviceAction) ?? 'no-service-action';
}

function row(opcode: number, usageBits: string, run: Handler): CommandSpec {
  const bits = Buffer.from(usageBits.replaceAll(' ', ''), 'hex');
  return { opcode, usage: Buffer.from([opcode, ...bits]), run, alwaysRuns: false };
}

function always(command: CommandSpec): CommandSpec {
  return { ...command, alwaysRuns: true };
}

function reserveIn(serviceAction: number, run: Handler): CommandSpec {
  const command = row(OPCODE.PERSISTENT_RESERVE_IN, '1f 0000000000 ffff 00', run);
  return withServiceAction(serviceAction, command);
}

function reserveOut(serviceAction: number, run: Handler): CommandSpec {
  const command = row(OPCODE.PERSISTENT_RESERVE_OUT, '1f ff 0000 ffffffff 00', run);
  return withServiceAction(serviceAction, command);
}

/** In the usage data a service action stands as itself, not as a mask. */
function withServiceAction(serviceAction: number, command: CommandSpec): CommandSpec {
  const usage = Buffer.from(command.usage);
  usage[1] = serviceAction;
  return { ...command, serviceAction, usage };
}
