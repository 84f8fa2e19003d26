import type { VolumeOperation } from '../volume/operation.ts';
import { checkExtent, countFieldIndex, type Extent, readExtent, readLba64 } from './extent.ts';
import {
  LOGICAL_BLOCK_BYTES,
  MAX_UNMAP_BLOCKS,
  MAX_UNMAP_DESCRIPTORS,
  MAX_WRITE_SAME_BLOCKS,
  WRITE_SAME_STEP_BYTES,
} from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { fail, failCdbField, failParameterField, run, succeed } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { PROTECT_BITS } from './read-write.ts';
import { SENSE } from './sense.ts';

/** UNMAP, byte 1: anchored blocks are not supported (ANC_SUP is 0). */
const UNMAP_ANCHOR_BIT = 0x01;
const UNMAP_HEADER_BYTES = 8;
const UNMAP_DESCRIPTOR_BYTES = 16;

/** WRITE SAME, byte 1. PBDATA and LBDATA are obsolete and would change the data. */
const WRITE_SAME = { ANCHOR: 0x10, UNMAP: 0x08, OBSOLETE: 0x06, NDOB: 0x01 } as const;
const ZERO_BLOCK = Buffer.alloc(LOGICAL_BLOCK_BYTES);

/**
 * UNMAP (SBC-3 clause 5.28). The parameter list, big-endian:
 *
 *    0  2  UNMAP DATA LENGTH             8  8  LBA of the first descriptor
 *    2  2  descriptor bytes             16  4  its count of blocks
 *    4  4  reserved                     20  4  reserved; then the next descriptor
 */
export function unmap(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  if ((cdb.readUInt8(1) & UNMAP_ANCHOR_BIT) !== 0) return failCdbField(1);
  const listBytes = cdb.readUInt16BE(7);
  if (listBytes === 0) return succeed(0);
  if (listBytes < UNMAP_HEADER_BYTES || dataOut.length < listBytes) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  const descriptorBytes = dataOut.readUInt16BE(2);
  if (UNMAP_HEADER_BYTES + descriptorBytes > listBytes) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  const descriptorCount = Math.floor(descriptorBytes / UNMAP_DESCRIPTOR_BYTES);
  if (descriptorCount > MAX_UNMAP_DESCRIPTORS) return failParameterField(2);
  const operations: VolumeOperation[] = [];
  let totalBlocks = 0;
  for (let index = 0; index < descriptorCount; index += 1) {
    const at = UNMAP_HEADER_BYTES + index * UNMAP_DESCRIPTOR_BYTES;
    const extent = { lba: readLba64(dataOut, at), blocks: dataOut.readUInt32BE(at + 8) };
    if (extent.lba + extent.blocks > unit.blockCount) return fail(SENSE.LBA_OUT_OF_RANGE);
    totalBlocks += extent.blocks;
    if (totalBlocks > MAX_UNMAP_BLOCKS) return failParameterField(at + 8);
    if (extent.blocks > 0) operations.push(makeTrim(extent));
  }
  return operations.length === 0 ? succeed(listBytes) : run(operations, () => succeed(listBytes));
}

/** WRITE SAME(10). */
export function writeSame10(unit: LogicalUnit, command: ScsiCommand): ScsiPlan {
  return planWriteSame(unit, command, false);
}

/** WRITE SAME(16), which alone has NDOB: no data-out buffer, the block is zeros. */
export function writeSame16(unit: LogicalUnit, command: ScsiCommand): ScsiPlan {
  return planWriteSame(unit, command, (command.cdb.readUInt8(1) & WRITE_SAME.NDOB) !== 0);
}

function planWriteSame(
  unit: LogicalUnit,
  { cdb, dataOut }: ScsiCommand,
  hasNoData: boolean,
): ScsiPlan {
  const flags = cdb.readUInt8(1);
  if ((flags & (PROTECT_BITS | WRITE_SAME.ANCHOR | WRITE_SAME.OBSOLETE)) !== 0) {
    return failCdbField(1);
  }
  const extent = readExtent(cdb);
  const refusal = checkExtent(unit, extent, cdb, MAX_WRITE_SAME_BLOCKS);
  if (refusal !== undefined) return refusal;
  // WSNZ: 0 does not mean "to the end", which could be the whole volume by mistake.
  if (extent.blocks === 0) return failCdbField(countFieldIndex(cdb));
  // Neither a part of a block nor the first of several is what the initiator meant to repeat.
  if (!hasNoData && dataOut.length !== LOGICAL_BLOCK_BYTES) {
    return failCdbField(countFieldIndex(cdb));
  }
  const block = hasNoData ? ZERO_BLOCK : dataOut;
  const transferBytes = hasNoData ? 0 : LOGICAL_BLOCK_BYTES;
  const isUnmapped = (flags & WRITE_SAME.UNMAP) !== 0 && block.equals(ZERO_BLOCK);
  const operations = isUnmapped ? [makeTrim(extent)] : makePatternWrites(extent, block);
  return run(operations, () => succeed(transferBytes));
}

function makeTrim({ lba, blocks }: Extent): VolumeOperation {
  return {
    kind: 'trim',
    offset: lba * LOGICAL_BLOCK_BYTES,
    length: blocks * LOGICAL_BLOCK_BYTES,
  };
}

/** Writes of `block` over the whole extent, all from one buffer. */
function makePatternWrites({ lba, blocks }: Extent, block: Buffer): VolumeOperation[] {
  const start = lba * LOGICAL_BLOCK_BYTES;
  const end = start + blocks * LOGICAL_BLOCK_BYTES;
  const pattern = Buffer.alloc(Math.min(end - start, WRITE_SAME_STEP_BYTES), block);
  const operations: VolumeOperation[] = [];
  for (let offset = start; offset < end; offset += pattern.length) {
    const data = pattern.subarray(0, end - offset);
    operations.push({ kind: 'write', offset, data, fua: false });
  }
  return operations;
}
