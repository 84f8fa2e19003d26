import type { CommandSpec, LogicalUnit } from './logical-unit.ts';
import { answer, failCdbField } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';

const RCTD_BIT = 0x80;
const SERVACTV = 0x01;
const CTDP = 0x02;
const ONE_COMMAND_CTDP = 0x80;
const SUPPORT = { NO: 1, AS_STANDARD: 3 } as const;
/** REPORTING OPTIONS (SPC-4 clause 6.35). */
const REPORT = { ALL: 0, OPCODE: 1, SERVICE_ACTION: 2, EITHER: 3 } as const;

/** A command timeouts descriptor: 10 bytes follow; all of them 0, "no timeout indicated". */
const TIMEOUTS = Buffer.alloc(12);
TIMEOUTS.writeUInt16BE(TIMEOUTS.length - 2, 0);

/** REPORT SUPPORTED OPERATION CODES, over a table of commands of which a unit may lack some. */
export function reportOpcodes(
  commands: readonly CommandSpec[],
  { identity }: LogicalUnit,
  cdb: Buffer,
): ScsiPlan {
  const table = commands.filter(({ isOffered }) => isOffered?.(identity) !== false);
  const hasTimeouts = (cdb.readUInt8(2) & RCTD_BIT) !== 0;
  const option = cdb.readUInt8(2) & 0x07;
  const allocationBytes = cdb.readUInt32BE(6);
  if (option === REPORT.ALL) return answer(makeAll(table, hasTimeouts), allocationBytes);
  if (option > REPORT.EITHER) return failCdbField(2);
  const opcode = cdb.readUInt8(3);
  const serviceAction = cdb.readUInt16BE(4);
  const rows = table.filter((row) => row.opcode === opcode);
  const hasServiceActions = rows.some((row) => row.serviceAction !== undefined);
  if (option === REPORT.OPCODE && hasServiceActions) return failCdbField(2);
  if (option === REPORT.SERVICE_ACTION && rows.length > 0 && !hasServiceActions) {
    return failCdbField(2);
  }
  const asked = option === REPORT.OPCODE ? 0 : serviceAction;
  const row = rows.find((candidate) => (candidate.serviceAction ?? 0) === asked);
  return answer(makeOne(row, hasTimeouts), allocationBytes);
}

/** Which functions the iSCSI layer carries out: bytes 0 and 1 of the parameter data. */
const FUNCTIONS = {
  ABORT_TASK: 0x80,
  ABORT_TASK_SET: 0x40,
  CLEAR_TASK_SET: 0x10,
  LOGICAL_UNIT_RESET: 0x08,
  TARGET_RESET: 0x02,
} as const;

/** REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 clause 6.36); REPD asks for 16 bytes. */
export function reportTaskFunctions(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const isExtended = (cdb.readUInt8(2) & 0x80) !== 0;
  const data = Buffer.alloc(isExtended ? 16 : 4);
  data[0] = Object.values(FUNCTIONS).reduce((bits, bit) => bits | bit, 0);
  if (isExtended) data[3] = data.length - 4;
  return answer(data, cdb.readUInt32BE(6));
}

function makeAll(table: readonly CommandSpec[], hasTimeouts: boolean): Buffer {
  const parts = [Buffer.alloc(4)];
  for (const row of table) {
    const descriptor = Buffer.alloc(8);
    descriptor[0] = row.opcode;
    descriptor.writeUInt16BE(row.serviceAction ?? 0, 2);
    descriptor[5] = (row.serviceAction === undefined ? 0 : SERVACTV) | (hasTimeouts ? CTDP : 0);
    descriptor.writeUInt16BE(row.usage.length, 6);
    parts.push(descriptor);
    if (hasTimeouts) parts.push(TIMEOUTS);
  }
  const data = Buffer.concat(parts);
  data.writeUInt32BE(data.length - 4, 0);
  return data;
}

function makeOne(row: CommandSpec | undefined, hasTimeouts: boolean): Buffer {
  if (row === undefined) return Buffer.from([0, SUPPORT.NO, 0, 0]);
  const header = Buffer.alloc(4);
  header[1] = SUPPORT.AS_STANDARD | (hasTimeouts ? ONE_COMMAND_CTDP : 0);
  header.writeUInt16BE(row.usage.length, 2);
  return Buffer.concat(hasTimeouts ? [header, row.usage, TIMEOUTS] : [header, row.usage]);
}
