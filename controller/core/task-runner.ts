import { assert } from '../../replica/common/assert.ts';
import type { TaskId } from '../iscsi/step.ts';
import { STATUS } from '../scsi/opcode.ts';
import type { ScsiOutcome, ScsiPlan } from '../scsi/plan.ts';
import type { VolumeOperation, VolumeOutcome } from '../volume/operation.ts';
import type { RequestHandle } from '../volume/step.ts';

/** The operations of one step of a plan. */
interface Run {
  readonly task: TaskId;
  readonly cdb: Buffer;
  readonly next: (outcomes: readonly VolumeOutcome[]) => ScsiPlan;
  readonly outcomes: (VolumeOutcome | undefined)[];
  waiting: number;
}

/** What the volume hands back with a completion: which operation of which run it was. */
class Request {
  readonly run: Run;
  readonly index: number;

  constructor(run: Run, index: number) {
    this.run = run;
    this.index = index;
  }
}

export interface RunnerDoors {
  submit(request: RequestHandle, operation: VolumeOperation): void;
  cancel(request: RequestHandle): void;
  done(task: TaskId, outcome: ScsiOutcome): void;
  /**
   * The command that `cdb` is part of succeeded: nobody looks at the memory it came in any more.
   * Not called for one that failed: a write of it may still be sent to a copy again.
   */
  release(cdb: Buffer): void;
}

/** Runs the plans of SCSI commands on a volume, step by step until each is done. */
export class TaskRunner {
  readonly #doors: RunnerDoors;
  /** The requests of each task's current step. */
  readonly #byTask = new Map<TaskId, readonly Request[]>();

  constructor(doors: RunnerDoors) {
    this.#doors = doors;
  }

  run(task: TaskId, cdb: Buffer, plan: ScsiPlan): void {
    if (plan.kind === 'done') {
      this.#doors.done(task, plan.outcome);
      if (plan.outcome.status === STATUS.GOOD) this.#doors.release(cdb);
      return;
    }
    const { operations, next } = plan;
    assert(operations.length > 0, 'a plan step has operations');
    const run: Run = {
      task,
      cdb,
      next,
      outcomes: operations.map(() => undefined),
      waiting: operations.length,
    };
    const requests = operations.map((_, index) => new Request(run, index));
    this.#byTask.set(task, requests);
    for (let index = 0; index < operations.length; index += 1) {
      this.#doors.submit(requests[index]!, operations[index]!);
    }
  }

  completed(request: RequestHandle, outcome: VolumeOutcome): void {
    assert(request instanceof Request, 'a completion brings back the handle of its request');
    const { run, index } = request;
    assert(run.outcomes[index] === undefined, 'an operation completes once');
    run.outcomes[index] = outcome;
    run.waiting -= 1;
    if (run.waiting > 0) return;
    this.#byTask.delete(run.task);
    this.run(run.task, run.cdb, run.next(run.outcomes as readonly VolumeOutcome[]));
  }

  /** Operations of this task that were not sent to the copies yet never will be (I15). */
  cancel(task: TaskId): void {
    for (const request of this.#byTask.get(task) ?? []) {
      if (request.run.outcomes[request.index] === undefined) this.#doors.cancel(request);
    }
  }
}
