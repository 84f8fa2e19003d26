import type { LogicalUnit } from './logical-unit.ts';
import { answer, fail, failCdbField } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

/** Byte 1: SP would save parameters. */
const SP_BIT = 0x01;
/** SPF in byte 0 of a page: it has a subpage code. */
const SUBPAGE_FORMAT = 0x40;
const SUPPORTED_PAGES = 0x00;
const ALL_SUBPAGES = 0xff;
const INFORMATIONAL_EXCEPTIONS = 0x2f;
const PAGES = [SUPPORTED_PAGES, INFORMATIONAL_EXCEPTIONS];

/**
 * LOG SENSE (SPC-4 clause 6.8) with what this side of the copies truly knows: which pages there are,
 * and that no failure is predicted. How full the copies' disks are it does not know, so there is no
 * logical block provisioning page.
 */
export function logSense(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  if ((cdb.readUInt8(1) & SP_BIT) !== 0) return fail(SENSE.SAVING_NOT_SUPPORTED);
  const pageCode = cdb.readUInt8(2) & 0x3f;
  const subpageCode = cdb.readUInt8(3);
  const parameterPointer = cdb.readUInt16BE(5);
  const page = makePage(pageCode, subpageCode);
  if (page === undefined) return failCdbField(subpageCode === 0 ? 2 : 3);
  if (parameterPointer !== 0) return failCdbField(5);
  return answer(page, cdb.readUInt16BE(7));
}

/** Page code, subpage code, length of the rest (2), parameters. */
function makePage(pageCode: number, subpageCode: number): Buffer | undefined {
  const isSubpageList = subpageCode === ALL_SUBPAGES;
  if (pageCode === SUPPORTED_PAGES && (subpageCode === 0 || isSubpageList)) {
    const entries = isSubpageList ? listSubpages() : PAGES;
    const code = isSubpageList ? SUPPORTED_PAGES | SUBPAGE_FORMAT : SUPPORTED_PAGES;
    return Buffer.from([code, subpageCode, 0, entries.length, ...entries]);
  }
  if (pageCode !== INFORMATIONAL_EXCEPTIONS || subpageCode !== 0) return undefined;
  // One parameter: code 0000h, binary list format, 4 bytes: no code, no qualifier, temperature unknown.
  return Buffer.from([INFORMATIONAL_EXCEPTIONS, 0, 0, 8, 0, 0, 0x03, 4, 0, 0, 0xff, 0]);
}

/** Pairs of page and subpage code, in ascending order. */
function listSubpages(): number[] {
  return PAGES.flatMap((page) =>
    page === SUPPORTED_PAGES ? [page, 0, page, ALL_SUBPAGES] : [page, 0],
  );
}
