import { OPCODE, RESERVE_OUT, SERVICE_ACTION } from '../opcode.ts';

/** Who else may use a command while somebody has reserved the logical unit. */
export interface Access {
  /** Under Write Exclusive, who neither holds it nor is registered where that suffices. */
  readonly underWriteExclusive: boolean;
  /** Likewise under Exclusive Access. */
  readonly underExclusiveAccess: boolean;
  /** While another nexus holds a reservation of RESERVE(6) or (10) (SPC-2 clause 5.5.1, table 10). */
  readonly underLegacy: boolean;
  /** While what was reserved is lost (SPC-4 clauses 5.13.5.2 and 5.13.5.3.2). */
  readonly whileLost: boolean;
  /** It asks what is reserved, even if nobody is kept from it. */
  readonly needsState: boolean;
}

/** The classes of commands of SPC-4 clause 5.13.1, table 65, and SBC-4 clause 4.17, table 13. */
export const ACCESS = {
  /** Tells what there is, or does nothing. */
  always: access('WE EA legacy lost'),
  report: access('WE EA legacy'),
  status: access('WE EA'),
  /** Reserves or tells of reservations, and decides itself. */
  reserve: access('WE EA state'),
  release: access('WE EA legacy state'),
  replaceLost: access('WE EA lost state'),
  /** Reads the medium or the settings. */
  read: access('WE state'),
  /** Changes either. */
  write: access('state'),
} as const;

/** What is not listed is `write`: a new command is refused too often rather than too rarely. */
const BY_OPCODE: ReadonlyMap<number, Access> = new Map<number, Access>([
  [OPCODE.INQUIRY, ACCESS.always],
  [OPCODE.REPORT_LUNS, ACCESS.always],
  [OPCODE.REQUEST_SENSE, ACCESS.always],
  [OPCODE.LOG_SENSE, ACCESS.always],
  [OPCODE.READ_CAPACITY_10, ACCESS.report],
  [OPCODE.TEST_UNIT_READY, ACCESS.status],
  [OPCODE.RECEIVE_COPY_RESULTS, ACCESS.status],
  [OPCODE.RELEASE_6, ACCESS.release],
  [OPCODE.RELEASE_10, ACCESS.release],
  [OPCODE.RESERVE_6, ACCESS.reserve],
  [OPCODE.RESERVE_10, ACCESS.reserve],
  [OPCODE.PERSISTENT_RESERVE_IN, ACCESS.reserve],
  [OPCODE.READ_6, ACCESS.read],
  [OPCODE.READ_10, ACCESS.read],
  [OPCODE.READ_12, ACCESS.read],
  [OPCODE.READ_16, ACCESS.read],
  [OPCODE.VERIFY_10, ACCESS.read],
  [OPCODE.VERIFY_12, ACCESS.read],
  [OPCODE.VERIFY_16, ACCESS.read],
  [OPCODE.PRE_FETCH_10, ACCESS.read],
  [OPCODE.PRE_FETCH_16, ACCESS.read],
  [OPCODE.READ_DEFECT_DATA_10, ACCESS.read],
  [OPCODE.READ_DEFECT_DATA_12, ACCESS.read],
  [OPCODE.MODE_SENSE_6, ACCESS.read],
  [OPCODE.MODE_SENSE_10, ACCESS.read],
]);

/** By operation code and service action. */
const BY_SERVICE_ACTION: ReadonlyMap<number, Access> = new Map<number, Access>([
  [pair(OPCODE.MAINTENANCE_IN, SERVICE_ACTION.REPORT_TARGET_PORT_GROUPS), ACCESS.always],
  [pair(OPCODE.SERVICE_ACTION_IN_16, SERVICE_ACTION.READ_CAPACITY_16), ACCESS.report],
  [pair(OPCODE.SERVICE_ACTION_IN_16, SERVICE_ACTION.GET_LBA_STATUS), ACCESS.read],
  [pair(OPCODE.MAINTENANCE_IN, SERVICE_ACTION.REPORT_SUPPORTED_OPERATION_CODES), ACCESS.read],
  [
    pair(OPCODE.MAINTENANCE_IN, SERVICE_ACTION.REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS),
    ACCESS.read,
  ],
]);

const START_BIT = 0x01;
const POWER_CONDITION_BITS = 0xf0;
const PREVENT_BITS = 0x03;

/** What a command may do in the presence of reservations. */
export function accessOf(cdb: Buffer): Access {
  const opcode = cdb[0] ?? 0;
  const flags = cdb[4] ?? 0;
  if (opcode === OPCODE.START_STOP_UNIT) {
    const starts = (flags & START_BIT) !== 0 && (flags & POWER_CONDITION_BITS) === 0;
    return starts ? ACCESS.always : ACCESS.write;
  }
  if (opcode === OPCODE.PREVENT_ALLOW_MEDIUM_REMOVAL) {
    return (flags & PREVENT_BITS) === 0 ? ACCESS.report : ACCESS.write;
  }
  const serviceAction = (cdb[1] ?? 0) & 0x1f;
  if (opcode === OPCODE.PERSISTENT_RESERVE_OUT) {
    const isReplacement = serviceAction === RESERVE_OUT.REPLACE_LOST_RESERVATION;
    return isReplacement ? ACCESS.replaceLost : ACCESS.reserve;
  }
  return (
    BY_OPCODE.get(opcode) ?? BY_SERVICE_ACTION.get(pair(opcode, serviceAction)) ?? ACCESS.write
  );
}

function pair(opcode: number, serviceAction: number): number {
  return opcode * 0x100 + serviceAction;
}

function access(allowed: string): Access {
  const words = allowed.split(' ');
  return {
    underWriteExclusive: words.includes('WE'),
    underExclusiveAccess: words.includes('EA'),
    underLegacy: words.includes('legacy'),
    whileLost: words.includes('lost'),
    needsState: words.includes('state'),
  };
}
