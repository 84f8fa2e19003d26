import { assert } from '../../replica/common/assert.ts';
import type { ByteRange } from '../../replica/common/ranges.ts';
import type { TaskId } from '../iscsi/step.ts';
import { STATUS } from '../scsi/opcode.ts';
import type { DetachedPlan, ScsiOutcome, ScsiPlan, VolumePlan } from '../scsi/plan.ts';
import type { VolumeOperation, VolumeOutcome } from '../volume/operation.ts';
import type { RequestHandle } from '../volume/step.ts';
import { haveCommonBytes, RangeLocks } from './range-locks.ts';

/** Shared, since every command begins with them. */
const NOT_SUBMITTED: readonly Request[] = [];
const NO_OUTCOMES: (VolumeOutcome | undefined)[] = [];

/** A command from its plan's first step to its end. */
class Task {
  readonly id: TaskId;
  readonly cdb: Buffer;
  /** The step that runs, or waits until it may. */
  step: VolumePlan;
  /** Of the operations of this step that were submitted. */
  requests: readonly Request[] = NOT_SUBMITTED;
  outcomes: (VolumeOutcome | undefined)[] = NO_OUTCOMES;
  waiting = 0;
  holdsLock = false;
  isCancelled = false;

  constructor(id: TaskId, cdb: Buffer, step: VolumePlan) {
    this.id = id;
    this.cdb = cdb;
    this.step = step;
  }
}

/** What the volume hands back with a completion: which operation of which task it was. */
class Request {
  readonly task: Task;
  readonly index: number;

  constructor(task: Task, index: number) {
    this.task = task;
    this.index = index;
  }
}

/** A command that waits for work which goes on without it. */
interface Awaiting {
  readonly cdb: Buffer;
  readonly work: TaskId;
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
  readonly #tasks = new Map<TaskId, Task>();
  readonly #locks = new RangeLocks<Task>((ranges) => this.#isChanging(ranges));
  readonly #awaiting = new Map<TaskId, Awaiting>();
  /** Detached work counts downwards from here: tasks of initiators count upwards from 1. */
  #lastWork = 0;

  constructor(doors: RunnerDoors) {
    this.#doors = doors;
  }

  run(id: TaskId, cdb: Buffer, plan: ScsiPlan): void {
    if (plan.kind === 'done') this.#end(id, cdb, plan.outcome);
    else if (plan.kind === 'detached') this.#detach(id, cdb, plan);
    else {
      const task = new Task(id, cdb, plan);
      this.#tasks.set(id, task);
      this.#start(task);
    }
  }

  completed(request: RequestHandle, outcome: VolumeOutcome): void {
    assert(request instanceof Request, 'a completion brings back the handle of its request');
    const { task, index } = request;
    assert(
      task.requests[index] === request && task.outcomes[index] === undefined,
      'an operation completes once',
    );
    task.outcomes[index] = outcome;
    task.waiting -= 1;
    const isWaitedFor = this.#locks.hasWaiting && !task.holdsLock;
    const operation = task.step.operations[index]!;
    if (task.waiting === 0) this.#advance(task);
    // What waits looks again only when something in its way is gone: its list can be long.
    if (isWaitedFor && changedRange(operation).length > 0) this.#startReady();
  }

  /**
   * Operations of this task that were not sent to the copies yet never will be (I15): they fail, and
   * so do those of later steps. Detached work goes on, but nobody waits for it any more.
   */
  cancel(id: TaskId): void {
    const awaiting = this.#awaiting.get(id);
    if (awaiting !== undefined) {
      this.#awaiting.delete(id);
      this.#doors.done(id, NOT_AWAITED);
      return;
    }
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    task.isCancelled = true;
    if (this.#locks.stopWaiting(task)) {
      this.#advance(task);
      this.#startReady();
      return;
    }
    for (const request of task.requests) {
      if (task.outcomes[request.index] === undefined) this.#doors.cancel(request);
    }
  }

  /** Submits the task's step, or lets it wait for those who have its ranges for themselves. */
  #start(task: Task): void {
    const { operations, locks } = task.step;
    assert(operations.length > 0, 'a plan step has operations');
    if (locks !== undefined) {
      assert(!task.holdsLock, 'a plan locks all that it needs in its first step');
      if (!this.#locks.lock(task, locks)) return;
      task.holdsLock = true;
    } else if (!this.#locks.isIdle && !task.holdsLock) {
      const changed = operations.flatMap(changedRange);
      if (changed.length > 0 && !this.#locks.change(task, changed)) return;
    }
    this.#submit(task);
  }

  #startReady(): void {
    if (!this.#locks.hasWaiting) return;
    for (let task = this.#locks.takeReady(); task; task = this.#locks.takeReady()) {
      task.holdsLock = task.step.locks !== undefined;
      this.#submit(task);
    }
  }

  #submit(task: Task): void {
    const { operations } = task.step;
    const requests = operations.map((_, index) => new Request(task, index));
    task.requests = requests;
    task.outcomes = operations.map(() => undefined);
    task.waiting = operations.length;
    for (let index = 0; index < operations.length; index += 1) {
      this.#doors.submit(requests[index]!, operations[index]!);
    }
  }

  /** Goes on behind a step; of a cancelled task no operation is submitted any more. */
  #advance(task: Task): void {
    let plan = task.requests.length > 0 ? nextOf(task) : failStep(task.step);
    while (plan.kind === 'volume' && task.isCancelled) plan = failStep(plan);
    assert(plan.kind !== 'detached', 'only a whole plan is detached');
    if (plan.kind === 'volume') {
      task.step = plan;
      task.requests = NOT_SUBMITTED;
      this.#start(task);
      return;
    }
    this.#tasks.delete(task.id);
    if (task.holdsLock) this.#locks.unlock(task);
    this.#end(task.id, task.cdb, plan.outcome);
    if (task.holdsLock) this.#startReady();
  }

  #end(id: TaskId, cdb: Buffer, outcome: ScsiOutcome): void {
    if (id < 0) {
      this.#endWork(id, outcome);
      return;
    }
    this.#doors.done(id, outcome);
    if (outcome.status === STATUS.GOOD) this.#doors.release(cdb);
  }

  #detach(id: TaskId, cdb: Buffer, { work, answer }: DetachedPlan): void {
    this.#lastWork -= 1;
    const workId = this.#lastWork;
    if (answer === undefined) this.#awaiting.set(id, { cdb, work: workId });
    else this.#end(id, cdb, answer);
    this.run(workId, NO_CDB, work);
  }

  #endWork(work: TaskId, outcome: ScsiOutcome): void {
    for (const [id, awaiting] of this.#awaiting) {
      if (awaiting.work !== work) continue;
      this.#awaiting.delete(id);
      this.#end(id, awaiting.cdb, outcome);
      return;
    }
  }

  /** Whether a task without a lock has a change of one of these ranges under way. */
  #isChanging(ranges: readonly ByteRange[]): boolean {
    for (const { step, requests, outcomes, holdsLock } of this.#tasks.values()) {
      if (holdsLock || requests.length === 0) continue;
      const open = step.operations.filter((_, index) => outcomes[index] === undefined);
      if (haveCommonBytes(open.flatMap(changedRange), ranges)) return true;
    }
    return false;
  }
}

const NO_CDB: Buffer = Buffer.alloc(0);
/** Its initiator gets no response; nothing in here is looked at. */
const NOT_AWAITED: ScsiOutcome = {
  status: STATUS.TASK_ABORTED,
  dataIn: NO_CDB,
  sense: undefined,
  transferBytes: 0,
};
const NOT_SENT: VolumeOutcome = { ok: false, reason: 'NOT_READY' };

function nextOf({ step, outcomes }: Task): ScsiPlan {
  return step.next(outcomes as readonly VolumeOutcome[]);
}

/** How a plan goes on when none of the operations of this step is carried out. */
function failStep({ operations, next }: VolumePlan): ScsiPlan {
  return next(operations.map(() => NOT_SENT));
}

/** The bytes that an operation changes: none, or one range. */
function changedRange(operation: VolumeOperation): ByteRange[] {
  switch (operation.kind) {
    case 'write':
      return [{ start: operation.offset, end: operation.offset + operation.data.length }];
    case 'trim':
      return [{ start: operation.offset, end: operation.offset + operation.length }];
    default:
      return [];
  }
}
