import type { NexusId } from '../scsi/plan.ts';
import { BHS, flagsOf, isImmediate, ittOf, LUN_BYTES, makeHeader } from './bhs.ts';
import {
  FINAL,
  REJECT_REASON,
  RESPONSE,
  type RejectReason,
  TASK_FUNCTION,
  TASK_RESPONSE,
  type TaskResponse,
} from './constants.ts';
import { MAX_IMMEDIATE } from './limits.ts';
import type { Session } from './session.ts';
import type { Pdu, TargetEffect, TaskId } from './step.ts';
import type { Task, TaskTable } from './tasks.ts';

/** What is owed an answer when `waitingFor` tasks are done. */
export type PendingAbort = PendingFunction | PendingPreemption;

interface PendingFunction {
  readonly kind: 'function';
  readonly session: Session;
  readonly itt: number;
  readonly isColdReset: boolean;
  waitingFor: number;
}

interface PendingPreemption {
  readonly kind: 'preemption';
  readonly task: TaskId;
  readonly nexuses: readonly NexusId[];
  waitingFor: number;
}

/**
 * Task management (RFC 7143 sections 4.2.3, 11.5 and 11.6). A response is sent only after the tasks
 * it concerns are done, so that nothing of them can happen behind it (I15). Each session has a task
 * set of its own (TST = 001b in the control mode page), so CLEAR TASK SET concerns one session.
 */
export class TaskManagement {
  readonly #tasks: TaskTable;
  readonly #sessions: () => Iterable<Session>;
  readonly #dropAll: (effects: TargetEffect[]) => void;

  /**
   * @param sessions all open sessions
   * @param dropAll ends all of them: the end of a cold reset
   */
  constructor(
    tasks: TaskTable,
    sessions: () => Iterable<Session>,
    dropAll: (effects: TargetEffect[]) => void,
  ) {
    this.#tasks = tasks;
    this.#sessions = sessions;
    this.#dropAll = dropAll;
  }

  /** Returns why the PDU is rejected. */
  receive(session: Session, pdu: Pdu, effects: TargetEffect[]): RejectReason | undefined {
    const { header } = pdu;
    if (session.immediateCount >= MAX_IMMEDIATE) {
      if (isImmediate(header)) return REJECT_REASON.IMMEDIATE_COMMAND_REJECT;
      respond(session, ittOf(header), TASK_RESPONSE.FUNCTION_REJECTED, effects);
      return undefined;
    }
    const concerned = this.#concernedTasks(session, header);
    if (typeof concerned === 'number') {
      respond(session, ittOf(header), concerned, effects);
      return undefined;
    }
    const pending: PendingFunction = {
      kind: 'function',
      session,
      itt: ittOf(header),
      isColdReset: functionOf(header) === TASK_FUNCTION.TARGET_COLD_RESET,
      waitingFor: 0,
    };
    session.immediateCount += 1;
    this.#abort(concerned, pending, effects);
    if (functionOf(header) >= TASK_FUNCTION.LOGICAL_UNIT_RESET) {
      effects.push({ kind: 'logical-unit-reset', nexus: session.nexus });
    }
    if (pending.waitingFor === 0) this.#finish(pending, effects);
    return undefined;
  }

  /**
   * PREEMPT AND ABORT (SPC-4 clause 5.13.11.2.6), by task `by`. TAS is 0 in the control mode page:
   * the initiators get no response for what is aborted, but a unit attention.
   */
  abortNexuses(by: TaskId, nexuses: readonly NexusId[], effects: TargetEffect[]): void {
    const preempted = [...this.#sessions()].filter(({ nexus }) => nexuses.includes(nexus));
    const concerned = tasksOf(preempted).filter((task) => task.id !== by);
    const lost = new Set(concerned.map(({ session }) => session.nexus));
    const pending: PendingPreemption = {
      kind: 'preemption',
      task: by,
      nexuses: [...lost],
      waitingFor: 0,
    };
    this.#abort(concerned, pending, effects);
    if (pending.waitingFor === 0) this.#finish(pending, effects);
  }

  /** A task that functions may be waiting for is done. */
  taskDone(task: Task, effects: TargetEffect[]): void {
    if (task.waiters === undefined) return;
    for (const pending of task.waiters) {
      pending.waitingFor -= 1;
      if (pending.waitingFor === 0) this.#finish(pending, effects);
    }
  }

  #abort(concerned: readonly Task[], pending: PendingAbort, effects: TargetEffect[]): void {
    for (const task of concerned) {
      if (!this.#tasks.abort(task, effects)) continue;
      task.waiters ??= [];
      task.waiters.push(pending);
      pending.waitingFor += 1;
    }
  }

  #finish(pending: PendingAbort, effects: TargetEffect[]): void {
    if (pending.kind === 'preemption') {
      effects.push({ kind: 'tasks-aborted', task: pending.task, nexuses: pending.nexuses });
      return;
    }
    const { session } = pending;
    if (!session.isOpen) return;
    session.immediateCount -= 1;
    respond(session, pending.itt, TASK_RESPONSE.FUNCTION_COMPLETE, effects);
    if (pending.isColdReset) this.#dropAll(effects);
  }

  /** The tasks that must end, or the response when there is nothing to do. */
  #concernedTasks(session: Session, header: Buffer): Task[] | TaskResponse {
    switch (functionOf(header)) {
      case TASK_FUNCTION.ABORT_TASK: {
        const task = session.tasks.get(header.readUInt32BE(BHS.referencedTaskTag));
        if (task !== undefined) return [task];
        // One connection delivers in order: a task we do not know is over, or was rejected (11.6.1).
        return session.window.passOver(header.readUInt32BE(BHS.refCmdSN))
          ? TASK_RESPONSE.FUNCTION_COMPLETE
          : TASK_RESPONSE.TASK_DOES_NOT_EXIST;
      }
      case TASK_FUNCTION.ABORT_TASK_SET:
      case TASK_FUNCTION.CLEAR_TASK_SET:
        return this.#onOurUnit(header, [session]);
      case TASK_FUNCTION.LOGICAL_UNIT_RESET:
        return this.#onOurUnit(header, this.#sessions());
      case TASK_FUNCTION.TARGET_WARM_RESET:
      case TASK_FUNCTION.TARGET_COLD_RESET:
        return tasksOf(this.#sessions());
      case TASK_FUNCTION.TASK_REASSIGN:
        return TASK_RESPONSE.REASSIGNMENT_NOT_SUPPORTED;
      default:
        return TASK_RESPONSE.FUNCTION_NOT_SUPPORTED;
    }
  }

  /** Commands to units that do not exist end at once, so all tasks that last are on LUN 0. */
  #onOurUnit(header: Buffer, sessions: Iterable<Session>): Task[] | TaskResponse {
    return isLogicalUnitZero(header) ? tasksOf(sessions) : TASK_RESPONSE.LUN_DOES_NOT_EXIST;
  }
}

function functionOf(header: Buffer): number {
  return flagsOf(header) & 0x7f;
}

function tasksOf(sessions: Iterable<Session>): Task[] {
  return [...sessions].flatMap((session) => [...session.tasks.values()]);
}

/** LUN 0 in peripheral device (00b) or flat space (01b) addressing (SAM-5 section 4.7). */
function isLogicalUnitZero(header: Buffer): boolean {
  const method = (header[BHS.lun] as number) >> 6;
  if (method > 1 || ((header[BHS.lun] as number) & 0x3f) !== 0) return false;
  return header.subarray(BHS.lun + 1, BHS.lun + LUN_BYTES).every((byte) => byte === 0);
}

function respond(
  session: Session,
  itt: number,
  response: TaskResponse,
  effects: TargetEffect[],
): void {
  const header = makeHeader(RESPONSE.TASK_MANAGEMENT, FINAL, itt, 0);
  header[BHS.response] = response;
  session.window.stampStatus(header);
  session.send(header, undefined, effects);
}
