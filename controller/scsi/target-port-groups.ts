import type { LogicalUnit } from './logical-unit.ts';
import { answer, failCdbField } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';

/** PARAMETER DATA FORMAT in byte 1: with the extended header or, 0, without. */
const EXTENDED_FORMAT = 0x20;
const FORMAT_BITS = 0xe0;
const ACTIVE_OPTIMIZED = 0x00;
/** AO_SUP: no other access state is ever taken. */
const AO_SUPPORTED = 0x01;
/** There is one target port group with one port, as VPD page 83h tells. */
const GROUP = 1;
const PORT = 1;

/**
 * REPORT TARGET PORT GROUPS (SPC-4 clause 6.37). A volume has one controller at a time, which serves
 * all of its paths: one group, always active and optimized.
 *
 *    0  preference, access state      4  reserved              8  reserved (2)
 *    1  supported states              5  status code 0        10  relative target port (2)
 *    2  target port group (2)         7  number of ports
 */
export function reportTargetPortGroups(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const format = cdb.readUInt8(1) & FORMAT_BITS;
  if (format !== 0 && format !== EXTENDED_FORMAT) return failCdbField(1);
  const descriptor = Buffer.alloc(12);
  descriptor[0] = ACTIVE_OPTIMIZED;
  descriptor[1] = AO_SUPPORTED;
  descriptor.writeUInt16BE(GROUP, 2);
  descriptor[7] = 1;
  descriptor.writeUInt16BE(PORT, 10);
  const header = Buffer.alloc(format === EXTENDED_FORMAT ? 8 : 4);
  header.writeUInt32BE(header.length - 4 + descriptor.length, 0);
  if (format === EXTENDED_FORMAT) header[4] = 0x10; // this format; no implicit transition time
  return answer(Buffer.concat([header, descriptor]), cdb.readUInt32BE(6));
}
