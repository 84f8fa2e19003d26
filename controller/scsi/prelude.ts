import type { VolumeOperation, VolumeOutcome } from '../volume/operation.ts';
import type { NexusId, ScsiPlan } from './plan.ts';

/**
 * What must happen before a command gets its plan: reservations are loaded or changed. Pure, as a plan
 * is; controller/core/preludes.ts runs it. Once a task is aborted, it begins no `operate` and no
 * `wait` any more; one that has begun is still answered by a call of `next`, but for a `wait`, which is
 * withdrawn, and then what `next` returns is not begun either, `abort` and `notice` excepted.
 */
export type Prelude =
  | {
      readonly kind: 'operate';
      readonly operation: VolumeOperation;
      readonly next: (outcome: VolumeOutcome) => Course;
    }
  /** Goes on when the gate lets it pass, maybe at once. */
  | { readonly kind: 'wait'; readonly gate: Gate; readonly next: () => Course }
  /**
   * Aborts all tasks of these nexuses but this one, and goes on when nothing of them can happen any
   * more (I15). `lost` are the nexuses that had such tasks.
   */
  | {
      readonly kind: 'abort';
      readonly nexuses: readonly NexusId[];
      readonly next: (lost: readonly NexusId[]) => Course;
    }
  /** Something that an operator must know: one line in the log. */
  | {
      readonly kind: 'notice';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
      readonly next: () => Course;
    };

/** How a command goes on: with its plan, or with what comes before it. */
export type Course = ScsiPlan | Prelude;

export function isPrelude(course: Course): course is Prelude {
  const { kind } = course;
  return kind === 'operate' || kind === 'wait' || kind === 'abort' || kind === 'notice';
}

/** What one command at a time may pass. */
export interface Gate {
  /** Calls `pass` once, now or later; whoever passed frees the gate. */
  enter(pass: () => void): void;
  /** `pass` is not called any more; nothing happens when it was called. */
  withdraw(pass: () => void): void;
}
