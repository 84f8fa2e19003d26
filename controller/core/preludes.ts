import { assert } from '../../replica/common/assert.ts';
import type { TaskId } from '../iscsi/step.ts';
import { STATUS } from '../scsi/opcode.ts';
import type { NexusId, ScsiOutcome, ScsiPlan } from '../scsi/plan.ts';
import type { Course, Gate, Prelude } from '../scsi/prelude.ts';
import type { VolumeOperation, VolumeOutcome } from '../volume/operation.ts';
import type { RequestHandle } from '../volume/step.ts';

/** A task that has no plan yet. */
interface Run {
  readonly task: TaskId;
  readonly cdb: Buffer;
  isCancelled: boolean;
  step: Step | undefined;
}

/** What a run is waiting for. */
type Step =
  | { readonly kind: 'operate'; readonly request: PreludeRequest; readonly next: OperationNext }
  | { readonly kind: 'wait'; readonly gate: Gate; readonly pass: () => void }
  | { readonly kind: 'abort'; readonly next: (lost: readonly NexusId[]) => Course };

type OperationNext = (outcome: VolumeOutcome) => Course;

/** What the volume hands back with the completion of an operation of a prelude. */
export class PreludeRequest {
  readonly run: Run;

  constructor(run: Run) {
    this.run = run;
  }
}

export interface PreludeDoors {
  submit(request: RequestHandle, operation: VolumeOperation): void;
  cancel(request: RequestHandle): void;
  /** Aborts the tasks of `nexuses` but `task`; `tasksAborted` is owed for it. */
  abortTasks(task: TaskId, nexuses: readonly NexusId[]): void;
  notice(message: string, fields: Readonly<Record<string, unknown>>): void;
  /** The task has its plan, which now runs. */
  planned(task: TaskId, cdb: Buffer, plan: ScsiPlan): void;
}

/** Its initiator does not hear of it. */
const ABORTED: ScsiPlan = {
  kind: 'done',
  outcome: {
    status: STATUS.TASK_ABORTED,
    dataIn: Buffer.alloc(0),
    sense: undefined,
    transferBytes: 0,
  } satisfies ScsiOutcome,
};

/** Runs what comes before the plans of SCSI commands (scsi/prelude.ts). */
export class Preludes {
  readonly #doors: PreludeDoors;
  readonly #runs = new Map<TaskId, Run>();

  constructor(doors: PreludeDoors) {
    this.#doors = doors;
  }

  run(task: TaskId, cdb: Buffer, prelude: Prelude): void {
    const run: Run = { task, cdb, isCancelled: false, step: undefined };
    this.#runs.set(task, run);
    this.#goOn(run, prelude);
  }

  completed({ run }: PreludeRequest, outcome: VolumeOutcome): void {
    const { step } = run;
    assert(step?.kind === 'operate', 'an operation completes once', { task: run.task });
    run.step = undefined;
    this.#goOn(run, step.next(outcome));
  }

  /** What this task asked to be aborted is over; `lost` are the nexuses that had such tasks. */
  tasksAborted(task: TaskId, lost: readonly NexusId[]): void {
    const run = this.#runs.get(task);
    const step = run?.step;
    assert(run !== undefined && step?.kind === 'abort', 'who aborts tasks waits for it', { task });
    run.step = undefined;
    this.#goOn(run, step.next(lost));
  }

  /** Nothing of this task begins any more (I15). Returns whether it had no plan yet. */
  cancel(task: TaskId): boolean {
    const run = this.#runs.get(task);
    if (run === undefined) return false;
    run.isCancelled = true;
    if (run.step?.kind === 'operate') this.#doors.cancel(run.step.request);
    if (run.step?.kind === 'wait') {
      run.step.gate.withdraw(run.step.pass);
      this.#end(run, ABORTED);
    }
    return true;
  }

  #goOn(run: Run, course: Course): void {
    switch (course.kind) {
      case 'operate':
        if (run.isCancelled) this.#end(run, ABORTED);
        else this.#operate(run, course.operation, course.next);
        return;
      case 'wait':
        if (run.isCancelled) this.#end(run, ABORTED);
        else this.#enter(run, course.gate, course.next);
        return;
      case 'abort':
        run.step = { kind: 'abort', next: course.next };
        this.#doors.abortTasks(run.task, course.nexuses);
        return;
      case 'notice':
        this.#doors.notice(course.message, course.fields);
        this.#goOn(run, course.next());
        return;
      default:
        this.#end(run, run.isCancelled ? ABORTED : course);
    }
  }

  #operate(run: Run, operation: VolumeOperation, next: OperationNext): void {
    const request = new PreludeRequest(run);
    run.step = { kind: 'operate', request, next };
    this.#doors.submit(request, operation);
  }

  #enter(run: Run, gate: Gate, next: () => Course): void {
    const pass = () => {
      run.step = undefined;
      this.#goOn(run, next());
    };
    run.step = { kind: 'wait', gate, pass };
    gate.enter(pass);
  }

  #end(run: Run, plan: ScsiPlan): void {
    this.#runs.delete(run.task);
    this.#doors.planned(run.task, run.cdb, plan);
  }
}
