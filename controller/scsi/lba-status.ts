import { readLba64 } from './extent.ts';
import { LOGICAL_BLOCK_BYTES } from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { answer, fail, run } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

/** How far one command looks: the initiator asks on from the end of the answer. */
const LOOK_BLOCKS = (1024 * 1024) / LOGICAL_BLOCK_BYTES;
const MAPPED = 0;
const DEALLOCATED = 1;

/**
 * GET LBA STATUS with one descriptor (SBC-3 clause 5.5): the run of blocks of equal state from the
 * starting LBA on.
 *
 *   0  4  parameter data length, 20      8  8  LBA
 *   4  4  reserved                      16  4  number of blocks      20  1  provisioning status
 *
 * A block that reads as zeros is reported as deallocated. That is true of what the initiator can
 * observe (LBPRZ is set), whether or not the copies still keep space for it.
 */
export function getLbaStatus(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const lba = readLba64(cdb, 2);
  if (lba >= unit.blockCount) return fail(SENSE.LBA_OUT_OF_RANGE);
  const blocks = Math.min(LOOK_BLOCKS, unit.blockCount - lba);
  const length = blocks * LOGICAL_BLOCK_BYTES;
  return run([{ kind: 'read', offset: lba * LOGICAL_BLOCK_BYTES, length }], (bytes) => {
    const isDeallocated = isZeroBlock(bytes, 0);
    let count = 1;
    while (count < blocks && isZeroBlock(bytes, count) === isDeallocated) count += 1;
    const data = Buffer.alloc(24);
    data.writeUInt32BE(data.length - 4, 0);
    data.writeBigUInt64BE(BigInt(lba), 8);
    data.writeUInt32BE(count, 16);
    data[20] = isDeallocated ? DEALLOCATED : MAPPED;
    return answer(data, cdb.readUInt32BE(10));
  });
}

const ZERO_BLOCK = Buffer.alloc(LOGICAL_BLOCK_BYTES);

function isZeroBlock(bytes: Buffer, index: number): boolean {
  const start = index * LOGICAL_BLOCK_BYTES;
  return ZERO_BLOCK.compare(bytes, start, start + LOGICAL_BLOCK_BYTES) === 0;
}
