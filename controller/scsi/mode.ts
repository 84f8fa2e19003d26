import { LOGICAL_BLOCK_BYTES } from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { applyPage, makeChangeableMask, makeCurrentPage, selectPages } from './mode-pages.ts';
import { answer, fail, failCdbField, failParameterField, succeed } from './outcome.ts';
import type { DonePlan, ScsiCommand, ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

const DBD_BIT = 0x08;
const LLBAA_BIT = 0x10;
const PAGE_CONTROL = { CURRENT: 0, CHANGEABLE: 1, DEFAULT: 2, SAVED: 3 } as const;
/** Device-specific parameter: DPO and FUA are supported; write protected. */
const DPOFUA = 0x10;
const WP_BIT = 0x80;
const LONGLBA_BIT = 0x01;
/** MODE SELECT: pages in the standard's format (PF), pages to be saved (SP). */
const PF_BIT = 0x10;
const SP_BIT = 0x01;
const MAX_UINT32 = 0xffffffff;

/** Where the two sizes of mode parameter header have their fields (SPC-4 clause 7.5.5). */
interface HeaderLayout {
  readonly bytes: 4 | 8;
  readonly deviceSpecificAt: number;
}
const HEADER_6: HeaderLayout = { bytes: 4, deviceSpecificAt: 2 };
const HEADER_10: HeaderLayout = { bytes: 8, deviceSpecificAt: 3 };

export function modeSense6(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  return planSense(unit, cdb, {
    header: HEADER_6,
    isLong: false,
    allocationBytes: cdb.readUInt8(4),
  });
}

export function modeSense10(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const isLong = (cdb.readUInt8(1) & LLBAA_BIT) !== 0;
  return planSense(unit, cdb, { header: HEADER_10, isLong, allocationBytes: cdb.readUInt16BE(7) });
}

export function modeSelect6(unit: LogicalUnit, command: ScsiCommand): ScsiPlan {
  return planSelect(unit, command, { header: HEADER_6, listBytes: command.cdb.readUInt8(4) });
}

export function modeSelect10(unit: LogicalUnit, command: ScsiCommand): ScsiPlan {
  return planSelect(unit, command, { header: HEADER_10, listBytes: command.cdb.readUInt16BE(7) });
}

function planSense(
  unit: LogicalUnit,
  cdb: Buffer,
  ask: { header: HeaderLayout; isLong: boolean; allocationBytes: number },
): ScsiPlan {
  const pageControl = cdb.readUInt8(2) >> 6;
  const pages = selectPages(cdb.readUInt8(2) & 0x3f, cdb.readUInt8(3));
  if (pages.length === 0) return failCdbField(2);
  if (pageControl === PAGE_CONTROL.SAVED) return fail(SENSE.SAVING_NOT_SUPPORTED);
  const hasDescriptor = (cdb.readUInt8(1) & DBD_BIT) === 0;
  const descriptor = hasDescriptor ? makeBlockDescriptor(unit, ask.isLong) : Buffer.alloc(0);
  const header = Buffer.alloc(ask.header.bytes);
  const shown = pages.map((page) => {
    if (pageControl === PAGE_CONTROL.CHANGEABLE) return makeChangeableMask(page);
    return pageControl === PAGE_CONTROL.CURRENT ? makeCurrentPage(page, unit.modes) : page;
  });
  const data = Buffer.concat([header, descriptor, ...shown]);
  data[ask.header.deviceSpecificAt] = unit.modes.isWriteProtected ? DPOFUA | WP_BIT : DPOFUA;
  if (ask.header.bytes === 4) {
    data[0] = data.length - 1;
    data[3] = descriptor.length;
  } else {
    data.writeUInt16BE(data.length - 2, 0);
    data[4] = descriptor.length === 16 ? LONGLBA_BIT : 0;
    data.writeUInt16BE(descriptor.length, 6);
  }
  return answer(data, ask.allocationBytes);
}

/** Number of blocks (FFFFFFFFh when it does not fit) and their length (SBC-3 clause 6.5.2). */
function makeBlockDescriptor(unit: LogicalUnit, isLong: boolean): Buffer {
  const descriptor = Buffer.alloc(isLong ? 16 : 8);
  if (isLong) descriptor.writeBigUInt64BE(BigInt(unit.blockCount), 0);
  else descriptor.writeUInt32BE(Math.min(unit.blockCount, MAX_UINT32), 0);
  descriptor.writeUInt32BE(LOGICAL_BLOCK_BYTES, descriptor.length - 4);
  return descriptor;
}

/**
 * MODE SELECT: the list is checked as a whole before any of it is taken, and the other nexuses are told of
 * a change (SPC-4 clause 6.11).
 */
function planSelect(
  unit: LogicalUnit,
  { cdb, dataOut, nexus }: ScsiCommand,
  { header, listBytes }: { header: HeaderLayout; listBytes: number },
): ScsiPlan {
  const flags = cdb.readUInt8(1);
  if ((flags & PF_BIT) === 0 || (flags & SP_BIT) !== 0) return failCdbField(1);
  if (listBytes === 0) return succeed(0);
  if (listBytes < header.bytes || dataOut.length < listBytes) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  const list = dataOut.subarray(0, listBytes);
  const isLong = header.bytes === 8 && (list.readUInt8(4) & LONGLBA_BIT) !== 0;
  const descriptorBytes = header.bytes === 4 ? list.readUInt8(3) : list.readUInt16BE(6);
  const pagesStart = header.bytes + descriptorBytes;
  if (pagesStart > listBytes) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  if (descriptorBytes > 0) {
    const descriptor = list.subarray(header.bytes, pagesStart);
    if (!descriptor.equals(makeBlockDescriptor(unit, isLong))) {
      return failParameterField(header.bytes);
    }
  }
  const given = readPages(list, pagesStart);
  if (!Array.isArray(given)) return given;
  const changes = given.filter(([page, values]) => applyPage(page, values, unit.modes));
  if (changes.length > 0) unit.raiseOnOthers(nexus, SENSE.MODE_PARAMETERS_CHANGED);
  return succeed(listBytes);
}

/** The pages of a list, each with the values given; or the plan that refuses it. */
function readPages(list: Buffer, start: number): [page: Buffer, given: Buffer][] | DonePlan {
  const pages: [Buffer, Buffer][] = [];
  let at = start;
  while (at < list.length) {
    const page = selectPages(list.readUInt8(at), 0).find((known) => known[0] === list[at]);
    if (page === undefined) return failParameterField(at);
    if (at + page.length > list.length) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
    const given = list.subarray(at, at + page.length);
    const difference = findUnchangeable(page, given);
    if (difference !== -1) return failParameterField(at + difference);
    pages.push([page, given]);
    at += page.length;
  }
  return pages;
}

/** Index of the first byte that differs in a bit that cannot be changed; -1 when none does. */
function findUnchangeable(page: Buffer, given: Buffer): number {
  const mask = makeChangeableMask(page);
  return page.findIndex((byte, index) => {
    const fixedBits = index < 2 ? 0xff : ~(mask[index] as number);
    return ((byte ^ (given[index] as number)) & fixedBits) !== 0;
  });
}
