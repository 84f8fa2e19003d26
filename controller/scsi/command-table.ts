import { readCapacity10, readCapacity16 } from './capacity.ts';
import { extendedCopy } from './copy/extended-copy.ts';
import { receiveCopyParameters, receiveCopyStatus } from './copy/receive-copy-results.ts';
import { readDefectData10, readDefectData12 } from './defect-data.ts';
import { receiveDiagnosticResults, sendDiagnostic } from './diagnostics.ts';
import { inquiry } from './inquiry.ts';
import { getLbaStatus } from './lba-status.ts';
import { logSense } from './log.ts';
import type { CommandSpec, Handler } from './logical-unit.ts';
import { modeSelect6, modeSelect10, modeSense6, modeSense10 } from './mode.ts';
import { OPCODE, RESERVE_IN, RESERVE_OUT, SERVICE_ACTION } from './opcode.ts';
import { unmap, writeSame10, writeSame16 } from './provisioning.ts';
import {
  preFetch,
  read,
  read6,
  synchronizeCache,
  write,
  write6,
  writeAtomic,
} from './read-write.ts';
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
import { sanitizeBlockErase, sanitizeExitFailure, sanitizeOverwrite } from './sanitize.ts';
import { reportTargetPortGroups } from './target-port-groups.ts';
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
const SERVICE_ACTION_BITS = 0x1f;

/**
 * Every command there is, in one place: the usage bits of its CDB, operation code left out, and who
 * carries it out.
 */
export const COMMANDS: readonly CommandSpec[] = [
  row(OPCODE.TEST_UNIT_READY, '00 0000 00 00', testUnitReady),
  always(row(OPCODE.REQUEST_SENSE, '01 0000 ff 00', requestSense)),
  row(OPCODE.READ_6, '1f ffff ff 00', read6),
  changing(row(OPCODE.WRITE_6, '1f ffff ff 00', write6)),
  always(row(OPCODE.INQUIRY, '01 ff ffff 00', inquiry)),
  row(OPCODE.MODE_SELECT_6, '11 0000 ff 00', modeSelect6),
  row(OPCODE.RESERVE_6, '1f 000000 00', reserveLegacy),
  row(OPCODE.RELEASE_6, '1f 000000 00', releaseLegacy),
  row(OPCODE.MODE_SENSE_6, '08 ff ff ff 00', modeSense6),
  row(OPCODE.START_STOP_UNIT, '00 00 00 f7 00', startStopUnit),
  row(OPCODE.RECEIVE_DIAGNOSTIC_RESULTS, '01 ff ffff 00', receiveDiagnosticResults),
  row(OPCODE.SEND_DIAGNOSTIC, 'f7 00 ffff 00', sendDiagnostic),
  row(OPCODE.PREVENT_ALLOW_MEDIUM_REMOVAL, '00 0000 00 00', preventAllowMediumRemoval),
  row(OPCODE.READ_CAPACITY_10, `00 ${LBA_32} 0000 01 00`, readCapacity10),
  row(OPCODE.READ_10, `18 ${LBA_32} 00 ffff 00`, read),
  changing(row(OPCODE.WRITE_10, `18 ${LBA_32} 00 ffff 00`, write)),
  changing(row(OPCODE.WRITE_AND_VERIFY_10, `16 ${LBA_32} 00 ffff 00`, writeAndVerify)),
  row(OPCODE.VERIFY_10, `16 ${LBA_32} 00 ffff 00`, verify),
  row(OPCODE.PRE_FETCH_10, `02 ${LBA_32} 00 ffff 00`, preFetch),
  row(OPCODE.SYNCHRONIZE_CACHE_10, `02 ${LBA_32} 00 ffff 00`, synchronizeCache),
  row(OPCODE.READ_DEFECT_DATA_10, '00 1f 00000000 ffff 00', readDefectData10),
  changing(row(OPCODE.WRITE_SAME_10, `08 ${LBA_32} 00 ffff 00`, writeSame10)),
  changing(row(OPCODE.UNMAP, '00 00000000 00 ffff 00', unmap)),
  sanitize(SERVICE_ACTION.SANITIZE_OVERWRITE, sanitizeOverwrite),
  sanitize(SERVICE_ACTION.SANITIZE_BLOCK_ERASE, sanitizeBlockErase),
  sanitize(SERVICE_ACTION.SANITIZE_EXIT_FAILURE_MODE, sanitizeExitFailure),
  row(OPCODE.LOG_SENSE, '01 ff ff 00 ffff ffff 00', logSense),
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
  withServiceAction(
    SERVICE_ACTION.EXTENDED_COPY_LID1,
    changing(row(OPCODE.EXTENDED_COPY, '1f 0000000000000000 ffffffff 00 00', extendedCopy)),
  ),
  withServiceAction(
    SERVICE_ACTION.RECEIVE_COPY_STATUS_LID1,
    row(OPCODE.RECEIVE_COPY_RESULTS, '1f ff 00000000000000 ffffffff 00 00', receiveCopyStatus),
  ),
  withServiceAction(
    SERVICE_ACTION.RECEIVE_COPY_OPERATING_PARAMETERS,
    row(OPCODE.RECEIVE_COPY_RESULTS, '1f 0000000000000000 ffffffff 00 00', receiveCopyParameters),
  ),
  row(OPCODE.READ_16, `18 ${LBA_64} ffffffff 00 00`, read),
  changing(row(OPCODE.COMPARE_AND_WRITE, `18 ${LBA_64} 000000ff 00 00`, compareAndWrite)),
  changing(row(OPCODE.WRITE_16, `18 ${LBA_64} ffffffff 00 00`, write)),
  changing(row(OPCODE.ORWRITE_16, `18 ${LBA_64} ffffffff 00 00`, orWrite)),
  changing(row(OPCODE.WRITE_AND_VERIFY_16, `16 ${LBA_64} ffffffff 00 00`, writeAndVerify)),
  row(OPCODE.VERIFY_16, `16 ${LBA_64} ffffffff 00 00`, verify),
  row(OPCODE.PRE_FETCH_16, `02 ${LBA_64} ffffffff 00 00`, preFetch),
  row(OPCODE.SYNCHRONIZE_CACHE_16, `02 ${LBA_64} ffffffff 00 00`, synchronizeCache),
  changing(row(OPCODE.WRITE_SAME_16, `09 ${LBA_64} ffffffff 00 00`, writeSame16)),
  changing(row(OPCODE.WRITE_ATOMIC_16, `18 ${LBA_64} ffff ffff 00 00`, writeAtomic)),
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
    SERVICE_ACTION.REPORT_TARGET_PORT_GROUPS,
    row(OPCODE.MAINTENANCE_IN, '3f 00000000 ffffffff 00 00', reportTargetPortGroups),
  ),
  withServiceAction(
    SERVICE_ACTION.REPORT_SUPPORTED_OPERATION_CODES,
    row(OPCODE.MAINTENANCE_IN, '1f 87 ff ffff ffffffff 00 00', (unit, { cdb }) =>
      reportOpcodes(COMMANDS, unit, cdb),
    ),
  ),
  withServiceAction(
    SERVICE_ACTION.REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
    row(OPCODE.MAINTENANCE_IN, '1f 80 000000 ffffffff 00 00', reportTaskFunctions),
  ),
  row(OPCODE.READ_12, `18 ${LBA_32} ffffffff 00 00`, read),
  changing(row(OPCODE.WRITE_12, `18 ${LBA_32} ffffffff 00 00`, write)),
  changing(row(OPCODE.WRITE_AND_VERIFY_12, `16 ${LBA_32} ffffffff 00 00`, writeAndVerify)),
  row(OPCODE.VERIFY_12, `16 ${LBA_32} ffffffff 00 00`, verify),
  row(OPCODE.READ_DEFECT_DATA_12, '1f 00000000 ffffffff 00 00', readDefectData12),
];

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
  return {
    opcode,
    usage: Buffer.from([opcode, ...bits]),
    run,
    alwaysRuns: false,
    changesMedium: false,
  };
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

function changing(command: CommandSpec): CommandSpec {
  return { ...command, changesMedium: true };
}

/** Only volumes that allow it have SANITIZE, and tell so. */
function sanitize(serviceAction: number, run: Handler): CommandSpec {
  const command = changing(row(OPCODE.SANITIZE, 'bf 0000000000 ffff 00', run));
  return {
    ...withServiceAction(serviceAction, command),
    isOffered: ({ allowsSanitize }) => allowsSanitize === true,
  };
}

/** In the usage data a service action stands as itself, not as a mask. */
function withServiceAction(serviceAction: number, command: CommandSpec): CommandSpec {
  const usage = Buffer.from(command.usage);
  usage[1] = (usage.readUInt8(1) & ~SERVICE_ACTION_BITS) | serviceAction;
  return { ...command, serviceAction, usage };
}
