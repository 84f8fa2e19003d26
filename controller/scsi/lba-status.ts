import { readLba64 } from './extent.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { answer, fail } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

const MAX_UINT32 = 0xffffffff;

/**
 * GET LBA STATUS with one descriptor (SBC-3 clause 5.5): everything from the starting LBA to the
 * end is "mapped or unknown" (provisioning status 0), since nothing on this side of the copies
 * knows where their holes are.
 *
 *   0  4  parameter data length, 20      8  8  LBA
 *   4  4  reserved                      16  4  number of blocks      20  1  provisioning status
 */
export function getLbaStatus(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const lba = readLba64(cdb, 2);
  if (lba >= unit.blockCount) return fail(SENSE.LBA_OUT_OF_RANGE);
  const data = Buffer.alloc(24);
  data.writeUInt32BE(data.length - 4, 0);
  data.writeBigUInt64BE(BigInt(lba), 8);
  data.writeUInt32BE(Math.min(unit.blockCount - lba, MAX_UINT32), 16);
  return answer(data, cdb.readUInt32BE(10));
}
