import type { LogicalUnit } from './logical-unit.ts';
import { answer, failCdbField } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';

/** REQ_PLIST, REQ_GLIST and DEFECT LIST FORMAT; the answer repeats them. */
const REQUEST_BITS = 0x1f;
const RESERVED_FORMAT = 0x07;

/** READ DEFECT DATA(10) (SBC-3 clause 5.17): no medium of its own, so both lists are empty. */
export function readDefectData10(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const request = cdb.readUInt8(2) & REQUEST_BITS;
  if ((request & 0x07) === RESERVED_FORMAT) return failCdbField(2);
  const data = Buffer.alloc(4);
  data[1] = request;
  return answer(data, cdb.readUInt16BE(7));
}

/** READ DEFECT DATA(12) (clause 5.18). */
export function readDefectData12(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const request = cdb.readUInt8(1) & REQUEST_BITS;
  if ((request & 0x07) === RESERVED_FORMAT) return failCdbField(1);
  const data = Buffer.alloc(8);
  data[1] = request;
  return answer(data, cdb.readUInt32BE(6));
}
