import { checkExtent, readExtent, readLba64, wholeBlocks } from './extent.ts';
import { LOGICAL_BLOCK_BYTES, MAX_COMPARE_BLOCKS, MAX_TRANSFER_BLOCKS } from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { fail, failCdbField, run, runLocked, succeed } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { FUA_BIT, PROTECT_BITS } from './read-write.ts';
import { SENSE } from './sense.ts';

/** BYTCHK, bits 2–1 of byte 1 (SBC-3 clause 5.34). */
const BYTE_CHECK = {
  /** Read the blocks; there is no data-out. */
  NONE: 0,
  /** Compare with as much data-out. */
  ALL: 1,
  /** Compare each block with the one block of data-out. */
  ONE_BLOCK: 3,
} as const;

/** VERIFY(10), (12) and (16). */
export function verify(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  const byteCheck = byteCheckOf(cdb);
  if ((cdb.readUInt8(1) & PROTECT_BITS) !== 0 || byteCheck === 2) return failCdbField(1);
  const extent = readExtent(cdb);
  const refusal = checkExtent(unit, extent, cdb, MAX_TRANSFER_BLOCKS);
  if (refusal !== undefined) return refusal;
  if (extent.blocks === 0) return succeed(0);
  const offset = extent.lba * LOGICAL_BLOCK_BYTES;
  const length = extent.blocks * LOGICAL_BLOCK_BYTES;
  if (byteCheck === BYTE_CHECK.NONE) {
    return run([{ kind: 'read', offset, length }], () => succeed(0));
  }
  const transferBytes = byteCheck === BYTE_CHECK.ALL ? length : LOGICAL_BLOCK_BYTES;
  const sent = wholeBlocks(dataOut, transferBytes);
  if (sent.length === 0) return succeed(transferBytes);
  const isRepeated = byteCheck === BYTE_CHECK.ONE_BLOCK;
  const expected = isRepeated ? Buffer.alloc(length, sent) : sent;
  return run([{ kind: 'read', offset, length: expected.length }], (found) =>
    compare(expected, found, () => succeed(transferBytes)),
  );
}

/**
 * WRITE AND VERIFY(10), (12) and (16). The write is forced to stable storage, since a verification
 * is of the medium; the read behind it shows that the blocks can be read. Nobody else's write comes in
 * between and is taken for a bad one.
 */
export function writeAndVerify(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  const byteCheck = byteCheckOf(cdb);
  if ((cdb.readUInt8(1) & PROTECT_BITS) !== 0 || byteCheck > BYTE_CHECK.ALL) return failCdbField(1);
  const extent = readExtent(cdb);
  const refusal = checkExtent(unit, extent, cdb, MAX_TRANSFER_BLOCKS);
  if (refusal !== undefined) return refusal;
  const transferBytes = extent.blocks * LOGICAL_BLOCK_BYTES;
  const data = wholeBlocks(dataOut, transferBytes);
  if (data.length === 0) return succeed(transferBytes);
  const offset = extent.lba * LOGICAL_BLOCK_BYTES;
  const done = () => succeed(transferBytes);
  const locks = [{ start: offset, end: offset + data.length }];
  return runLocked(locks, [{ kind: 'write', offset, data, fua: true }], () =>
    run([{ kind: 'read', offset, length: data.length }], (found) =>
      byteCheck === BYTE_CHECK.ALL ? compare(data, found, done) : done(),
    ),
  );
}

/**
 * COMPARE AND WRITE (SBC-3 clause 5.2): data-out is what must be there, then as much to write. Nothing
 * else happens to the blocks in between: the plan locks them.
 */
export function compareAndWrite(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  const flags = cdb.readUInt8(1);
  if ((flags & PROTECT_BITS) !== 0) return failCdbField(1);
  const extent = { lba: readLba64(cdb, 2), blocks: cdb.readUInt8(13) };
  const refusal = checkExtent(unit, extent, cdb, MAX_COMPARE_BLOCKS);
  if (refusal !== undefined) return refusal;
  const length = extent.blocks * LOGICAL_BLOCK_BYTES;
  // Half a comparison, or half a write, is worse than none.
  if (dataOut.length !== 2 * length) return failCdbField(13);
  if (extent.blocks === 0) return succeed(0);
  const offset = extent.lba * LOGICAL_BLOCK_BYTES;
  const data = dataOut.subarray(length);
  const fua = (flags & FUA_BIT) !== 0;
  const locks = [{ start: offset, end: offset + length }];
  return runLocked(locks, [{ kind: 'read', offset, length }], (found) =>
    compare(dataOut.subarray(0, length), found, () =>
      run([{ kind: 'write', offset, data, fua }], () => succeed(2 * length)),
    ),
  );
}

/** ORWRITE(16): the blocks become what they are, or-ed with the data-out, in one go (SBC-3 4.27.2). */
export function orWrite(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  const flags = cdb.readUInt8(1);
  if ((flags & PROTECT_BITS) !== 0) return failCdbField(1);
  const extent = readExtent(cdb);
  const refusal = checkExtent(unit, extent, cdb, MAX_TRANSFER_BLOCKS);
  if (refusal !== undefined) return refusal;
  const transferBytes = extent.blocks * LOGICAL_BLOCK_BYTES;
  const sent = wholeBlocks(dataOut, transferBytes);
  if (sent.length === 0) return succeed(transferBytes);
  const offset = extent.lba * LOGICAL_BLOCK_BYTES;
  const fua = (flags & FUA_BIT) !== 0;
  const locks = [{ start: offset, end: offset + sent.length }];
  return runLocked(locks, [{ kind: 'read', offset, length: sent.length }], (found) => {
    const data = Buffer.from(sent);
    for (let at = 0; at < data.length; at += 1) {
      data[at] = (data[at] as number) | (found[at] as number);
    }
    return run([{ kind: 'write', offset, data, fua }], () => succeed(transferBytes));
  });
}

function byteCheckOf(cdb: Buffer): number {
  return (cdb.readUInt8(1) >> 1) & 3;
}

/** Goes on when both are equal, else MISCOMPARE with the offset of the first difference. */
function compare(expected: Buffer, found: Buffer, next: () => ScsiPlan): ScsiPlan {
  if (expected.equals(found)) return next();
  const information = expected.findIndex((byte, at) => byte !== found[at]);
  return fail(SENSE.MISCOMPARE, { information });
}
