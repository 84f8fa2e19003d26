import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { LOGICAL_BLOCK_BYTES } from './limits.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { answer, fail, failCdbField, succeed, whyFailed } from './outcome.ts';
import type { ScsiCommand, ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

const SELF_TEST_BIT = 0x04;
const SELF_TEST_CODE_BITS = 0xe0;
const PAGE_CODE_VALID_BIT = 0x01;
/** Diagnostic page that lists the diagnostic pages: it is the only one. */
const SUPPORTED_PAGES = 0x00;

/**
 * SEND DIAGNOSTIC (SPC-4 clause 6.42). The default self-test shows that the way to a copy works: it
 * reads the first and the last block. There are no parameter lists and no longer tests.
 */
export function sendDiagnostic(unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  const flags = cdb.readUInt8(1);
  if ((flags & SELF_TEST_CODE_BITS) !== 0) return failCdbField(1);
  if (cdb.readUInt16BE(3) !== 0) return failCdbField(3);
  if ((flags & SELF_TEST_BIT) === 0) return succeed(0);
  const sizeBytes = unit.blockCount * LOGICAL_BLOCK_BYTES;
  const length = Math.min(BLOCK_BYTES, sizeBytes);
  return {
    kind: 'volume',
    operations: [
      { kind: 'read', offset: 0, length },
      { kind: 'read', offset: sizeBytes - length, length },
    ],
    next: (outcomes) =>
      whyFailed(outcomes) === undefined ? succeed(0) : fail(SENSE.SELF_TEST_FAILED),
  };
}

/** RECEIVE DIAGNOSTIC RESULTS (clause 6.28). */
export function receiveDiagnosticResults(_unit: LogicalUnit, { cdb }: ScsiCommand): ScsiPlan {
  if ((cdb.readUInt8(1) & PAGE_CODE_VALID_BIT) === 0) return failCdbField(1);
  if (cdb.readUInt8(2) !== SUPPORTED_PAGES) return failCdbField(2);
  return answer(Buffer.from([SUPPORTED_PAGES, 0, 0, 1, SUPPORTED_PAGES]), cdb.readUInt16BE(3));
}
