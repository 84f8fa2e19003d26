import { assert } from '../../replica/common/assert.ts';
import { MAX_IO_BYTES } from '../../replica/common/limits.ts';
import { BHS, CDB_BYTES, flagsOf, isImmediate, ittOf, lunOf, NO_BYTES } from './bhs.ts';
import { COMMAND_FLAG } from './constants.ts';
import type { DataRoom } from './data-room.ts';
import type { Session } from './session.ts';
import { solicitWaiting } from './solicitation.ts';
import type { Pdu, TargetEffect, TaskId } from './step.ts';
import type { PendingAbort } from './task-management.ts';
import type { WriteTransfer } from './transfer.ts';

/** One SCSI command from its arrival to its end. */
export interface Task {
  readonly id: TaskId;
  readonly session: Session;
  readonly itt: number;
  readonly lun: Buffer;
  readonly cdb: Buffer;
  readonly isRead: boolean;
  readonly isWrite: boolean;
  readonly isImmediate: boolean;
  readonly expectedBytes: number;
  state: TaskState;
  /** R2Ts sent for it: counts towards ExpDataSN. */
  r2tCount: number;
  /** What it took of the session's rooms: for a write, data asked for and unasked. */
  heldBytes: number;
  /** Its share of the session's `solicitedBytes`. */
  solicitedBytes: number;
  /** Task management functions and preemptions that are answered once this task is done. */
  waiters: PendingAbort[] | undefined;
}

export type TaskState =
  | { readonly kind: 'gathering'; readonly transfer: WriteTransfer }
  /** A read that is not begun yet. */
  | { readonly kind: 'waiting' }
  /** With the device server, which owes `task-done`. */
  | { readonly kind: 'executing' }
  /** Cancelled: `task-done` is still owed, but the initiator gets no response. */
  | { readonly kind: 'aborted' };

const WAITING: TaskState = { kind: 'waiting' };
const EXECUTING: TaskState = { kind: 'executing' };
const ABORTED: TaskState = { kind: 'aborted' };

/** Data types of additional header segments (RFC 7143 section 11.2.2.1). */
const AHS_EXTENDED_CDB = 1;

/** All tasks of a target, of all its sessions. */
export class TaskTable {
  /** Tasks that the device server owes a `task-done`. */
  readonly #executing = new Map<TaskId, Task>();
  #lastId = 0;

  /** A task for the command in `pdu`, taking its place in the session's window. */
  add(session: Session, pdu: Pdu): Task {
    const { header } = pdu;
    this.#lastId += 1;
    const task: Task = {
      id: this.#lastId,
      session,
      itt: ittOf(header),
      lun: lunOf(header),
      cdb: cdbOf(pdu),
      isRead: (flagsOf(header) & COMMAND_FLAG.READ) !== 0,
      isWrite: (flagsOf(header) & COMMAND_FLAG.WRITE) !== 0,
      isImmediate: isImmediate(header),
      expectedBytes: header.readUInt32BE(BHS.expectedDataTransferLength),
      state: EXECUTING,
      r2tCount: 0,
      heldBytes: 0,
      solicitedBytes: 0,
      waiters: undefined,
    };
    session.tasks.set(task.itt, task);
    if (task.isImmediate) session.immediateCount += 1;
    else session.window.take();
    return task;
  }

  /** Begins a command that sends no data, or lets it wait until there is room for what it reads. */
  read(task: Task, effects: TargetEffect[]): void {
    const { session } = task;
    const bytes = task.isRead ? Math.min(task.expectedBytes, MAX_IO_BYTES) : 0;
    const isFirst = session.waitingReads.length === 0 || session.waitingReads[0] === task;
    const mustWait = bytes > 0 && (!isFirst || session.isCongested);
    if (mustWait || !session.rooms.reads.take(bytes)) {
      if (task.state === WAITING) return;
      task.state = WAITING;
      session.waitingReads.push(task);
      session.rooms.reads.whole.waiting.add(session);
      return;
    }
    task.heldBytes = bytes;
    this.execute(task, NO_BYTES, effects);
  }

  /** Begins the reads that waited, of all sessions, as far as they may now. */
  readWaiting(room: DataRoom, effects: TargetEffect[]): void {
    for (const session of room.waiting) {
      if (session.isOpen) this.#readFirst(session, effects);
      if (!session.isOpen || session.waitingReads.length === 0) room.waiting.delete(session);
    }
  }

  #readFirst(session: Session, effects: TargetEffect[]): void {
    for (let task = session.waitingReads[0]; task !== undefined; task = session.waitingReads[0]) {
      this.read(task, effects);
      if (task.state === WAITING) return;
      session.waitingReads.shift();
    }
  }

  execute(task: Task, dataOut: Buffer, effects: TargetEffect[]): void {
    task.state = EXECUTING;
    this.#executing.set(task.id, task);
    effects.push({
      kind: 'execute',
      task: task.id,
      nexus: task.session.nexus,
      lun: task.lun,
      cdb: task.cdb,
      dataOut,
    });
  }

  /** Takes the task that the device server is done with. */
  takeDone(id: TaskId, effects: TargetEffect[]): Task {
    const task = this.#executing.get(id);
    assert(task !== undefined, 'a task is done once, after it was executed', { id });
    this.#executing.delete(id);
    this.remove(task, effects);
    return task;
  }

  /**
   * Sees to it that nothing of this task happens later (I15), and that its initiator hears nothing
   * of it. Returns whether its `task-done` has to be waited for.
   */
  abort(task: Task, effects: TargetEffect[]): boolean {
    switch (task.state.kind) {
      case 'gathering':
      case 'waiting':
        this.remove(task, effects);
        return false;
      case 'executing':
        task.state = ABORTED;
        effects.push({ kind: 'cancel', task: task.id });
        return true;
      case 'aborted':
        return true;
    }
  }

  /** Forgets a task that is over and gives back what it held. */
  remove(task: Task, effects: TargetEffect[]): void {
    const { session } = task;
    session.tasks.delete(task.itt);
    if (task.isImmediate) session.immediateCount -= 1;
    else session.window.give();
    if (task.state.kind === 'gathering') stopWaiting(session.waitingWrites, task);
    else if (task.state.kind === 'waiting') stopWaiting(session.waitingReads, task);
    if (task.heldBytes === 0) return;
    const { writes, reads } = session.rooms;
    const room = task.isWrite ? writes : reads;
    session.solicitedBytes -= task.solicitedBytes;
    room.give(task.heldBytes);
    if (room.whole.waiting.size === 0) return;
    if (room === writes) solicitWaiting(room.whole, effects);
    else this.readWaiting(room.whole, effects);
  }
}

function stopWaiting(waiting: Task[], task: Task): void {
  task.state = ABORTED;
  const at = waiting.indexOf(task);
  if (at >= 0) waiting.splice(at, 1);
}

function cdbOf(pdu: Pdu): Buffer {
  const cdb = pdu.header.subarray(BHS.cdb, BHS.cdb + CDB_BYTES);
  return pdu.ahs.length === 0 ? cdb : Buffer.concat([cdb, extendedCdbOf(pdu.ahs)]);
}

/**
 * What an extended CDB adds to the first 16 bytes (section 11.2.2.3): AHSLength (2, counts the
 * reserved byte), type (1), reserved (1), then the bytes themselves, padded to 4.
 */
function extendedCdbOf(ahs: Buffer): Buffer {
  let at = 0;
  while (at + 4 <= ahs.length) {
    const length = ahs.readUInt16BE(at);
    if (((ahs[at + 2] as number) & 0x3f) === AHS_EXTENDED_CDB && length > 0) {
      return ahs.subarray(at + 4, at + 3 + length);
    }
    at += (3 + length + 3) & ~3;
  }
  return NO_BYTES;
}
