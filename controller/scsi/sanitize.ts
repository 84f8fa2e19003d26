import type { VolumeOperation } from '../volume/operation.ts';
import { LOGICAL_BLOCK_BYTES, SANITIZE_ERASE_BYTES, SANITIZE_WRITE_BYTES } from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { fail, failCdbField, failParameterField, succeed, whyFailed } from './outcome.ts';
import type { DonePlan, ScsiCommand, ScsiPlan, VolumePlan } from './plan.ts';
import { SENSE } from './sense.ts';

const IMMED_BIT = 0x80;
/** ZNR, for zoned devices only. */
const RESERVED_BIT = 0x40;
const AUSE_BIT = 0x20;
/** Parameter list of OVERWRITE: flags and count, reserved, length of the pattern, pattern. */
const OVERWRITE_HEADER_BYTES = 4;
const INVERT_BIT = 0x80;
const TEST_BITS = 0x60;
const COUNT_BITS = 0x1f;

/** What is done to the whole volume, step by step; all of it counts towards the progress. */
interface Method {
  readonly passes: number;
  readonly stepBytes: number;
  operation(pass: number, offset: number, length: number): VolumeOperation;
}

/**
 * SANITIZE, OVERWRITE: every block of the volume is written `count` times, one write at a time and each
 * forced to stable storage, since a pass that stays in a cache overwrites nothing (SBC-3 clause 5.23.2).
 */
export function sanitizeOverwrite(unit: LogicalUnit, { cdb, dataOut }: ScsiCommand): ScsiPlan {
  const refusal = checkReserved(cdb);
  if (refusal !== undefined) return refusal;
  const listBytes = cdb.readUInt16BE(7);
  if (listBytes <= OVERWRITE_HEADER_BYTES) return failCdbField(7);
  if (listBytes > OVERWRITE_HEADER_BYTES + LOGICAL_BLOCK_BYTES) return failCdbField(7);
  if (dataOut.length < listBytes) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  const flags = dataOut.readUInt8(0);
  const passes = flags & COUNT_BITS;
  if ((flags & TEST_BITS) !== 0 || passes === 0) return failParameterField(0);
  const patternBytes = dataOut.readUInt16BE(2);
  if (patternBytes === 0 || patternBytes > LOGICAL_BLOCK_BYTES) return failParameterField(2);
  if (OVERWRITE_HEADER_BYTES + patternBytes > listBytes) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  const pattern = dataOut.subarray(OVERWRITE_HEADER_BYTES, OVERWRITE_HEADER_BYTES + patternBytes);
  const plain = makePatternBlocks(pattern);
  const isInverted = (flags & INVERT_BIT) !== 0;
  const inverted = isInverted ? invert(plain) : plain;
  return planSanitize(unit, cdb, listBytes, {
    passes,
    stepBytes: SANITIZE_WRITE_BYTES,
    operation: (pass, offset, length) => {
      // With INVERT every other pass is inverted, and the last one is the plain pattern.
      const blocks = (passes - 1 - pass) % 2 === 0 ? plain : inverted;
      return { kind: 'write', offset, data: blocks.subarray(0, length), fua: true };
    },
  });
}

/**
 * SANITIZE, BLOCK ERASE: every block is deallocated and reads as zeros (WABEREQ 01b). What stays on the
 * hosts' disks behind the copies' files is beyond this device (ADR 0017).
 */
export function sanitizeBlockErase(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const refusal = checkReserved(cdb) ?? checkNoParameters(cdb);
  if (refusal !== undefined) return refusal;
  return planSanitize(unit, cdb, 0, {
    passes: 1,
    stepBytes: SANITIZE_ERASE_BYTES,
    operation: (_pass, offset, length) => ({ kind: 'trim', offset, length }),
  });
}

/** SANITIZE, EXIT FAILURE MODE: only out of a failure that happened with AUSE (clause 5.23.5). */
export function sanitizeExitFailure(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const refusal = checkReserved(cdb) ?? checkNoParameters(cdb);
  if (refusal !== undefined) return refusal;
  return unit.sanitizer.exitFailure() ? succeed(0) : failCdbField(1);
}

function checkReserved(cdb: Buffer): ScsiPlan | undefined {
  if ((cdb.readUInt8(1) & RESERVED_BIT) !== 0) return failCdbField(1);
  const at = cdb.subarray(2, 7).findIndex((byte) => byte !== 0);
  return at < 0 ? undefined : failCdbField(2 + at);
}

function checkNoParameters(cdb: Buffer): ScsiPlan | undefined {
  return cdb.readUInt16BE(7) === 0 ? undefined : failCdbField(7);
}

/**
 * The operation goes on when its command is aborted and when its session or the unit is reset: SBC-3
 * clause 4.11.2 wants it so. It has all blocks for itself, so it starts behind the last write.
 */
function planSanitize(
  unit: LogicalUnit,
  cdb: Buffer,
  transferBytes: number,
  method: Method,
): ScsiPlan {
  const flags = cdb.readUInt8(1);
  const sizeBytes = unit.blockCount * LOGICAL_BLOCK_BYTES;
  const done = succeed(transferBytes);
  const allowsExit = (flags & AUSE_BIT) !== 0;
  const job: Job = { unit, method, sizeBytes, done, allowsExit };
  unit.sanitizer.start(sizeBytes * method.passes);
  const work = { ...planStep(job, 0, 0), locks: [{ start: 0, end: sizeBytes }] };
  const isImmediate = (flags & IMMED_BIT) !== 0;
  return isImmediate
    ? { kind: 'detached', work, answer: done.outcome }
    : { kind: 'detached', work };
}

interface Job {
  readonly unit: LogicalUnit;
  readonly method: Method;
  /** As it was at the start: what the volume grows by meanwhile was never written. */
  readonly sizeBytes: number;
  readonly done: DonePlan;
  readonly allowsExit: boolean;
}

function planStep(job: Job, pass: number, offset: number): VolumePlan {
  const { unit, method, sizeBytes } = job;
  const length = Math.min(method.stepBytes, sizeBytes - offset);
  return {
    kind: 'volume',
    operations: [method.operation(pass, offset, length)],
    next: (outcomes) => {
      if (whyFailed(outcomes) !== undefined) return failJob(job);
      unit.sanitizer.advance(length);
      const end = offset + length;
      if (end < sizeBytes) return planStep(job, pass, end);
      return pass + 1 < method.passes ? planStep(job, pass + 1, 0) : planEnd(job);
    },
  };
}

/** What was deallocated is forgotten for good only when that is on stable storage. */
function planEnd(job: Job): VolumePlan {
  return {
    kind: 'volume',
    operations: [{ kind: 'flush' }],
    next: (outcomes) => {
      if (whyFailed(outcomes) !== undefined) return failJob(job);
      job.unit.sanitizer.succeed();
      return job.done;
    },
  };
}

function failJob({ unit, allowsExit }: Job): DonePlan {
  unit.sanitizer.fail(allowsExit);
  return fail(SENSE.SANITIZE_FAILED);
}

/** A step's worth of blocks, each filled with the pattern from its first byte on. */
function makePatternBlocks(pattern: Buffer): Buffer {
  return Buffer.alloc(SANITIZE_WRITE_BYTES, Buffer.alloc(LOGICAL_BLOCK_BYTES, pattern));
}

function invert(bytes: Buffer): Buffer {
  const inverted = Buffer.alloc(bytes.length);
  for (let at = 0; at < bytes.length; at += 1) inverted[at] = ~(bytes[at] as number);
  return inverted;
}
