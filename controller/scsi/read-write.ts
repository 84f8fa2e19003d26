import type { VolumeOperation } from '../volume/operation.ts';
import { checkExtent, readExtent, readLba64, wholeBlocks } from './extent.ts';
import {
  LOGICAL_BLOCK_BYTES,
  LOGICAL_BLOCKS_PER_PHYSICAL,
  MAX_ATOMIC_BLOCKS,
  MAX_TRANSFER_BLOCKS,
} from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { dataOf, fail, failCdbField, run, succeed, whyFailed } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

/** RDPROTECT, WRPROTECT or VRPROTECT in byte 1: there is no protection information to check. */
export const PROTECT_BITS = 0xe0;
/** Force unit access in byte 1. Its neighbour DPO (10h) is a caching hint that we need not take. */
export const FUA_BIT = 0x08;

const FLUSH: readonly VolumeOperation[] = [{ kind: 'flush' }];

/** READ(6), which has no flags. */
export function read6(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  return planRead(unit, cdb, 0);
}

/** READ(10), (12) and (16). */
export function read(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  return planRead(unit, cdb, cdb.readUInt8(1));
}

/** WRITE(6), which has no flags. */
export function write6(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  return planWrite(unit, cdb, { dataOut, flags: 0 });
}

/** WRITE(10), (12) and (16). */
export function write(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  return planWrite(unit, cdb, { dataOut, flags: cdb.readUInt8(1) });
}

/**
 * WRITE ATOMIC(16) (SBC-4 clause 5.48): whole physical blocks, as they were or as they are now whatever
 * ends in the middle. ATOMIC BOUNDARY would allow longer writes that are only atomic in pieces; none is
 * supported.
 */
export function writeAtomic(unit: LogicalUnit, command: ScsiCommand): ScsiPlan {
  const { cdb, dataOut } = command;
  const flags = cdb.readUInt8(1);
  if ((flags & PROTECT_BITS) !== 0) return failCdbField(1);
  const extent = { lba: readLba64(cdb, 2), blocks: cdb.readUInt16BE(12) };
  if (extent.lba + extent.blocks > unit.blockCount) return fail(SENSE.LBA_OUT_OF_RANGE);
  if (cdb.readUInt16BE(10) !== 0) return failCdbField(10);
  if (extent.blocks === 0) return succeed(0);
  const isUneven = extent.blocks % LOGICAL_BLOCKS_PER_PHYSICAL !== 0;
  if (isUneven || extent.blocks > MAX_ATOMIC_BLOCKS) return failCdbField(12);
  if (extent.lba % LOGICAL_BLOCKS_PER_PHYSICAL !== 0) return failCdbField(2);
  const length = extent.blocks * LOGICAL_BLOCK_BYTES;
  // A part of it would not be what the initiator meant to write in one go.
  if (dataOut.length !== length) return failCdbField(12);
  const offset = extent.lba * LOGICAL_BLOCK_BYTES;
  const fua = (flags & FUA_BIT) !== 0;
  const write = { kind: 'write', offset, data: dataOut, fua } as const;
  const isOnePage = extent.blocks === LOGICAL_BLOCKS_PER_PHYSICAL;
  return run([isOnePage ? write : { ...write, isAtomic: true }], () => succeed(length));
}

/**
 * SYNCHRONIZE CACHE(10) and (16): all of the cache, whatever range is named. IMMED is not taken as
 * leave to answer before the data is safe (I8).
 */
export function synchronizeCache(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const refusal = checkExtent(unit, readExtent(cdb), cdb, Number.POSITIVE_INFINITY);
  return refusal ?? run(FLUSH, () => succeed(0));
}

/**
 * PRE-FETCH(10) and (16). There is no cache here to fetch into, so the answer is GOOD and never
 * CONDITION MET, which would say that the blocks are now in one (SBC-3 clause 5.9).
 */
export function preFetch(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  return checkExtent(unit, readExtent(cdb), cdb, Number.POSITIVE_INFINITY) ?? succeed(0);
}

function planRead(unit: LogicalUnit, cdb: Buffer, flags: number): ScsiPlan {
  if ((flags & PROTECT_BITS) !== 0) return failCdbField(1);
  const extent = readExtent(cdb);
  const refusal = checkExtent(unit, extent, cdb, MAX_TRANSFER_BLOCKS);
  if (refusal !== undefined) return refusal;
  if (extent.blocks === 0) return succeed(0);
  const offset = extent.lba * LOGICAL_BLOCK_BYTES;
  const length = extent.blocks * LOGICAL_BLOCK_BYTES;
  const isForced = (flags & FUA_BIT) !== 0;
  return {
    kind: 'volume',
    operations: [{ kind: 'read', offset, length }],
    next: (outcomes) => {
      const failure = whyFailed(outcomes);
      if (failure !== undefined) return failure;
      const data = dataOf(outcomes);
      // FUA on a read: what is returned must not be only in the volatile cache (SBC-3 4.15).
      return isForced ? run(FLUSH, () => succeed(length, data)) : succeed(length, data);
    },
  };
}

function planWrite(
  unit: LogicalUnit,
  cdb: Buffer,
  { dataOut, flags }: { dataOut: Buffer; flags: number },
): ScsiPlan {
  if ((flags & PROTECT_BITS) !== 0) return failCdbField(1);
  const extent = readExtent(cdb);
  const refusal = checkExtent(unit, extent, cdb, MAX_TRANSFER_BLOCKS);
  if (refusal !== undefined) return refusal;
  const length = extent.blocks * LOGICAL_BLOCK_BYTES;
  const data = wholeBlocks(dataOut, length);
  if (data.length === 0) return succeed(length);
  const offset = extent.lba * LOGICAL_BLOCK_BYTES;
  return {
    kind: 'volume',
    operations: [{ kind: 'write', offset, data, fua: (flags & FUA_BIT) !== 0 }],
    next: (outcomes) => whyFailed(outcomes) ?? succeed(length),
  };
}
