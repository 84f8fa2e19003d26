import { unreachable } from '../../replica/common/assert.ts';
import type { ByteRange } from '../../replica/common/ranges.ts';
import type { VolumeFailure, VolumeOperation, VolumeOutcome } from '../volume/operation.ts';
import { STATUS } from './opcode.ts';
import type { DonePlan, ScsiPlan, VolumePlan } from './plan.ts';
import { makeFixedSense, SENSE, type SenseCode, type SenseDetail } from './sense.ts';

const NO_DATA: Buffer = Buffer.alloc(0);

/** GOOD. `transferBytes` is what the CDB says is moved, `dataIn` what goes to the initiator. */
export function succeed(transferBytes: number, dataIn: Buffer = NO_DATA): DonePlan {
  return {
    kind: 'done',
    outcome: { status: STATUS.GOOD, dataIn, sense: undefined, transferBytes },
  };
}

/** GOOD with parameter data, cut to the allocation length; lengths inside stay as they are. */
export function answer(data: Buffer, allocationBytes: number): DonePlan {
  const cut = data.length > allocationBytes ? data.subarray(0, allocationBytes) : data;
  return succeed(cut.length, cut);
}

/** CHECK CONDITION. Nothing counts as moved. */
export function fail(code: SenseCode, detail?: SenseDetail): DonePlan {
  const sense = makeFixedSense(code, detail);
  return {
    kind: 'done',
    outcome: { status: STATUS.CHECK_CONDITION, dataIn: NO_DATA, sense, transferBytes: 0 },
  };
}

export function failCdbField(byteIndex: number): DonePlan {
  return fail(SENSE.INVALID_FIELD_IN_CDB, { field: { of: 'cdb', byteIndex } });
}

export function failParameterField(byteIndex: number): DonePlan {
  return fail(SENSE.INVALID_FIELD_IN_PARAMETER_LIST, { field: { of: 'parameters', byteIndex } });
}

/**
 * Runs `operations`, all at once, and goes on with `next` when all of them succeeded; `next` gets
 * the data of the first one, which only a read has.
 */
export function run(
  operations: readonly VolumeOperation[],
  next: (data: Buffer) => ScsiPlan,
): VolumePlan {
  return {
    kind: 'volume',
    operations,
    next: (outcomes) => whyFailed(outcomes) ?? next(dataOf(outcomes)),
  };
}

/** As `run`, and no other command changes the bytes of `ranges` until all of the plan is done. */
export function runLocked(
  locks: readonly ByteRange[],
  operations: readonly VolumeOperation[],
  next: (data: Buffer) => ScsiPlan,
): VolumePlan {
  return { ...run(operations, next), locks };
}

/** The bytes that the first operation read. */
export function dataOf(outcomes: readonly VolumeOutcome[]): Buffer {
  const first = outcomes[0];
  return first?.ok === true && first.data !== undefined ? first.data : NO_DATA;
}

/** The plan that reports the first operation that failed, or undefined when all succeeded. */
export function whyFailed(outcomes: readonly VolumeOutcome[]): DonePlan | undefined {
  for (const outcome of outcomes) {
    if (!outcome.ok) return fail(senseOf(outcome.reason));
  }
  return undefined;
}

function senseOf(reason: VolumeFailure): SenseCode {
  switch (reason) {
    case 'NOT_READY':
      return SENSE.NOT_READY;
    case 'NO_SPACE':
      return SENSE.SPACE_ALLOCATION_FAILED;
    case 'IO_FAILED':
      return SENSE.INTERNAL_TARGET_FAILURE;
    default:
      return unreachable(reason, 'volume failure');
  }
}
