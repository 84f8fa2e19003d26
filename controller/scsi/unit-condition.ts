import type { CommandSpec, LogicalUnit } from './logical-unit.ts';
import { OPCODE } from './opcode.ts';
import { fail } from './outcome.ts';
import type { ScsiPlan } from './plan.ts';
import { SENSE } from './sense.ts';

/**
 * The plan that refuses a command because of what the unit is doing, or was set to; undefined when it
 * may run. While a sanitize runs, and after one that failed, only commands that always run do, and after
 * a failure SANITIZE itself (SBC-3 clause 4.11.2).
 */
export function whyRefusedNow(unit: LogicalUnit, spec: CommandSpec): ScsiPlan | undefined {
  const { state } = unit.sanitizer;
  if (state.kind !== 'idle' && !spec.alwaysRuns) {
    if (state.kind === 'running') {
      return fail(SENSE.SANITIZE_IN_PROGRESS, { progress: state.doneBytes / state.totalBytes });
    }
    if (spec.opcode !== OPCODE.SANITIZE) return fail(SENSE.SANITIZE_FAILED);
  }
  if (spec.changesMedium && unit.modes.isWriteProtected) {
    return fail(SENSE.SOFTWARE_WRITE_PROTECTED);
  }
  return undefined;
}
