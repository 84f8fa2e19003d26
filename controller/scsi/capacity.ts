import { LOGICAL_BLOCK_BYTES, PHYSICAL_BLOCK_EXPONENT } from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { answer, failCdbField } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';

const MAX_UINT32 = 0xffffffff;
const PMI_BIT = 0x01;
/** READ CAPACITY(16) byte 14: thin provisioned (LBPME), and unmapped blocks read as zeros (LBPRZ). */
const LBPME_LBPRZ = 0xc0;

/**
 * READ CAPACITY(10). FFFFFFFFh stands for a last block that does not fit: the initiator then asks
 * with READ CAPACITY(16). An LBA makes sense only with PMI (SBC-2 clause 5.10).
 */
export function readCapacity10(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const hasLba = cdb.readUInt32BE(2) !== 0;
  if (hasLba && (cdb.readUInt8(8) & PMI_BIT) === 0) return failCdbField(2);
  const data = Buffer.alloc(8);
  data.writeUInt32BE(Math.min(unit.blockCount - 1, MAX_UINT32), 0);
  data.writeUInt32BE(LOGICAL_BLOCK_BYTES, 4);
  return answer(data, data.length);
}

/** READ CAPACITY(16), 32 bytes (SBC-3 clause 5.16). */
export function readCapacity16(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const data = Buffer.alloc(32);
  data.writeBigUInt64BE(BigInt(unit.blockCount - 1), 0);
  data.writeUInt32BE(LOGICAL_BLOCK_BYTES, 8);
  data[13] = PHYSICAL_BLOCK_EXPONENT;
  data[14] = LBPME_LBPRZ;
  return answer(data, cdb.readUInt32BE(10));
}
