import { unreachable } from '../../replica/common/assert.ts';
import { isLunZero, type LogicalUnit } from './logical-unit.ts';
import { answer, failCdbField, run, succeed } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import {
  makeDescriptorSense,
  makeFixedSense,
  SENSE,
  type SenseCode,
  type SenseDetail,
} from './sense.ts';

/** Ready as long as it answers: what the failure mode forbids fails at the command it forbids. */
export function testUnitReady(): ScsiPlan {
  return succeed(0);
}

/**
 * REQUEST SENSE: reports, and so clears, the oldest pending unit attention; with none pending, how far
 * a sanitize is, or that it failed (SPC-4 clause 6.39).
 */
export function requestSense(unit: LogicalUnit, { cdb, lun, nexus }: ScsiCommand): ScsiPlan {
  const isDescriptor = (cdb.readUInt8(1) & 0x01) !== 0;
  const attention = isLunZero(lun) ? unit.takeAttention(nexus) : SENSE.LOGICAL_UNIT_NOT_SUPPORTED;
  const { code, detail } = attention === undefined ? conditionOf(unit) : { code: attention };
  const sense = isDescriptor ? makeDescriptorSense(code, detail) : makeFixedSense(code, detail);
  return answer(sense, cdb.readUInt8(4));
}

function conditionOf({ sanitizer: { state } }: LogicalUnit): Condition {
  switch (state.kind) {
    case 'idle':
      return { code: SENSE.NONE };
    case 'running':
      return {
        code: SENSE.SANITIZE_IN_PROGRESS,
        detail: { progress: state.doneBytes / state.totalBytes },
      };
    case 'failed':
      return { code: SENSE.SANITIZE_FAILED };
    default:
      return unreachable(state, 'state of the sanitize operation');
  }
}

interface Condition {
  readonly code: SenseCode;
  readonly detail?: SenseDetail;
}

const START_BIT = 0x01;
const LOEJ_BIT = 0x02;
const NO_FLUSH_BIT = 0x04;
const POWER_CONDITION_BITS = 0xf0;

/**
 * START STOP UNIT. There is nothing to start, stop or eject; but who stops a disk expects that its
 * cache was written (SBC-3 clause 5.25).
 */
export function startStopUnit(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const flags = cdb.readUInt8(4);
  if ((flags & (POWER_CONDITION_BITS | LOEJ_BIT)) !== 0) return failCdbField(4);
  if ((flags & (START_BIT | NO_FLUSH_BIT)) !== 0) return succeed(0);
  return run([{ kind: 'flush' }], () => succeed(0));
}

/** PREVENT ALLOW MEDIUM REMOVAL: the medium cannot be removed anyway. */
export function preventAllowMediumRemoval(): ScsiPlan {
  return succeed(0);
}

/** Which SELECT REPORT values include LUN 0 (SPC-4 clause 6.33); the others get an empty list. */
const SELECT_REPORT: Readonly<Record<number, 'LUN 0' | 'none'>> = {
  0: 'LUN 0',
  1: 'none', // well known logical units
  2: 'LUN 0', // all
  16: 'none', // administrative logical units
  17: 'LUN 0', // those, and the plain ones
  18: 'none', // subsidiaries of a conglomerate
};

export function reportLuns(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const selection = SELECT_REPORT[cdb.readUInt8(2)];
  if (selection === undefined) return failCdbField(2);
  const listBytes = selection === 'LUN 0' ? 8 : 0;
  const data = Buffer.alloc(8 + listBytes); // LUN 0 is eight zeros
  data.writeUInt32BE(listBytes, 0);
  return answer(data, cdb.readUInt32BE(6));
}
