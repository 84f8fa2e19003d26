import { PRODUCT, VENDOR } from './designators.ts';
import { isLunZero, type LogicalUnit } from './logical-unit.ts';
import { answer, failCdbField } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { makeVpdPage } from './vpd.ts';

const EVPD_BIT = 0x01;
const CMDDT_BIT = 0x02;
/** Peripheral qualifier 011b, device type 1Fh: no device can be here. */
const NO_DEVICE = 0x7f;
const VERSION_SPC_4 = 0x06;
const RESPONSE_DATA_FORMAT = 0x02;
/** Byte 5: implicit asymmetric access (TPGS 01b), third-party copy (3PC). */
const TPGS_IMPLICIT = 0x10;
const THIRD_PARTY_COPY_BIT = 0x08;
const CMDQUE_BIT = 0x02;
const ADDITIONAL_LENGTH_AT = 4;

/** SAM-5, iSCSI, SPC-4, SBC-3, none of them claiming a particular revision. */
const VERSION_DESCRIPTORS = [0x00a0, 0x0960, 0x0460, 0x04c0];

/** INQUIRY (SPC-4 clause 6.6). */
export function inquiry(unit: LogicalUnit, { cdb, lun }: ScsiCommand): ScsiPlan {
  const flags = cdb.readUInt8(1);
  const pageCode = cdb.readUInt8(2);
  const allocationBytes = cdb.readUInt16BE(3);
  if ((flags & CMDDT_BIT) !== 0) return failCdbField(1);
  if ((flags & EVPD_BIT) === 0) {
    if (pageCode !== 0) return failCdbField(2);
    return answer(makeStandardData(unit, isLunZero(lun)), allocationBytes);
  }
  const page = isLunZero(lun) ? makeVpdPage(unit.identity, pageCode) : undefined;
  return page === undefined ? failCdbField(2) : answer(page, allocationBytes);
}

/**
 * Standard INQUIRY data:
 *
 *    0  peripheral qualifier and type      8  vendor, 8 characters
 *    2  version                           16  product, 16
 *    3  response data format              32  revision, 4
 *    4  additional length                 58  version descriptors, 8 × 2 bytes
 *    5  TPGS, 3PC
 *    7  CMDQUE
 */
function makeStandardData({ identity }: LogicalUnit, isThere: boolean): Buffer {
  const data = Buffer.alloc(96);
  data[0] = isThere ? 0 : NO_DEVICE;
  data[2] = VERSION_SPC_4;
  data[3] = RESPONSE_DATA_FORMAT;
  data[ADDITIONAL_LENGTH_AT] = data.length - ADDITIONAL_LENGTH_AT - 1;
  data[5] = TPGS_IMPLICIT | THIRD_PARTY_COPY_BIT;
  data[7] = CMDQUE_BIT;
  data.write(VENDOR.padEnd(8), 8, 8, 'latin1');
  data.write(PRODUCT.padEnd(16), 16, 16, 'latin1');
  data.write(identity.revision.padEnd(4), 32, 4, 'latin1');
  for (const [index, descriptor] of VERSION_DESCRIPTORS.entries()) {
    data.writeUInt16BE(descriptor, 58 + 2 * index);
  }
  return data;
}
