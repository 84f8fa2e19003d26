import { LOGICAL_BLOCK_BYTES } from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { fail, failCdbField } from './outcome.ts';
import type { ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

/**
 * The blocks that a CDB names. Every command of one length has them in the same place:
 *
 *   bytes  group code  LBA           count
 *       6  0           21 bits at 1  1 byte at 4, 0 means 256
 *      10  1, 2        4 bytes at 2  2 bytes at 7
 *      12  5           4 bytes at 2  4 bytes at 6
 *      16  4           8 bytes at 2  4 bytes at 10
 *
 * Units: logical blocks. `lba` may lie above 2^53 and is then not exact, but still far above
 * `blockCount` (at most 2^37), which is all that `checkExtent` asks.
 */
export interface Extent {
  readonly lba: number;
  readonly blocks: number;
}

const TWO_TO_32 = 2 ** 32;
/** By group code; there are no commands of group 3. */
const COUNT_FIELD_INDEX = [4, 7, 7, 0, 10, 6];

export function readExtent(cdb: Buffer): Extent {
  switch (groupCode(cdb)) {
    case 0:
      return { lba: cdb.readUInt32BE(0) & 0x1fffff, blocks: cdb.readUInt8(4) || 256 };
    case 1:
    case 2:
      return { lba: cdb.readUInt32BE(2), blocks: cdb.readUInt16BE(7) };
    case 4:
      return { lba: readLba64(cdb, 2), blocks: cdb.readUInt32BE(10) };
    default: // 5: the table has no command with blocks in another group
      return { lba: cdb.readUInt32BE(2), blocks: cdb.readUInt32BE(6) };
  }
}

/** A 64-bit LBA; inexact, but not small, above 2^53. */
export function readLba64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * TWO_TO_32 + bytes.readUInt32BE(at + 4);
}

/** The plan that refuses an extent past the end, or longer than `maxBlocks`; undefined if fine. */
export function checkExtent(
  unit: LogicalUnit,
  extent: Extent,
  cdb: Buffer,
  maxBlocks: number,
): ScsiPlan | undefined {
  if (extent.lba + extent.blocks > unit.blockCount) return fail(SENSE.LBA_OUT_OF_RANGE);
  if (extent.blocks > maxBlocks) return failCdbField(countFieldIndex(cdb));
  return undefined;
}

/** Index of the first byte of the block count. */
export function countFieldIndex(cdb: Buffer): number {
  return COUNT_FIELD_INDEX[groupCode(cdb)] as number;
}

/** The whole blocks that came, at most those the CDB asks for: no copy when that is all of them. */
export function wholeBlocks(dataOut: Buffer, wantedBytes: number): Buffer {
  if (dataOut.length === wantedBytes) return dataOut;
  const bytes = Math.min(dataOut.length, wantedBytes);
  return dataOut.subarray(0, bytes - (bytes % LOGICAL_BLOCK_BYTES));
}

function groupCode(cdb: Buffer): number {
  return cdb.readUInt8(0) >> 5;
}
