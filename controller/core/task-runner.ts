import { assert } from '../../replica/common/assert.ts';
import type { TaskId } from '../iscsi/step.ts';
import type { ScsiOutcome, ScsiPlan } from '../scsi/plan.ts';
import type { VolumeOperation, VolumeOutcome } from '../volume/operation.ts';
import type { RequestId } from '../volume/step.ts';

interface Run {
  readonly task: TaskId;
  readonly next: (outcomes: readonly VolumeOutcome[]) => ScsiPlan;
  readonly outcomes: VolumeOutcome[];
  readonly requests: RequestId[];
  waiting: number;
}

export interface RunnerDoors {
  submit(request: RequestId, operation: VolumeOperation): void;
  cancel(request: RequestId): void;
  done(task: TaskId, outcome: ScsiOutcome): void;
}

/** Runs the plans of SCSI commands on a volume, step by step until each is done. */
export class TaskRunner {
  readonly #doors: RunnerDoors;
  readonly #byRequest = new Map<RequestId, Run>();
  readonly #byTask = new Map<TaskId, Run>();
  #lastRequest = 0;

  constructor(doors: RunnerDoors) {
    this.#doors = doors;
  }

  run(task: TaskId, plan: ScsiPlan): void {
    if (plan.kind === 'done') {
      this.#doors.done(task, plan.outcome);
      return;
    }
    const { operations, next } = plan;
    assert(operations.length > 0, 'a plan step has operations');
    const run: Run = { task, next, outcomes: [], requests: [], waiting: operations.length };
    this.#byTask.set(task, run);
    // Register them all first: an operation may complete while the next is being submitted.
    for (let index = 0; index < operations.length; index += 1) {
      this.#lastRequest += 1;
      run.requests.push(this.#lastRequest);
      this.#byRequest.set(this.#lastRequest, run);
    }
    for (let index = 0; index < operations.length; index += 1) {
      this.#doors.submit(run.requests[index]!, operations[index]!);
    }
  }

  completed(request: RequestId, outcome: VolumeOutcome): void {
    const run = this.#byRequest.get(request);
    assert(run !== undefined, 'a completion belongs to a task', { request });
    this.#byRequest.delete(request);
    run.outcomes[run.requests.indexOf(request)] = outcome;
    run.waiting -= 1;
    if (run.waiting > 0) return;
    this.#byTask.delete(run.task);
    this.run(run.task, run.next(run.outcomes));
  }

  /** Operations of this task that were not sent to the copies yet never will be (I15). */
  cancel(task: TaskId): void {
    const run = this.#byTask.get(task);
    for (const request of run?.requests ?? []) {
      if (this.#byRequest.get(request) === run) this.#doors.cancel(request);
    }
  }
}
