import { assert } from '../../replica/common/assert.ts';
import { BHS, makeHeader } from './bhs.ts';
import { FINAL, RESPONSE } from './constants.ts';
import type { DataRoom } from './data-room.ts';
import { SOLICITED_BYTES_PER_SESSION } from './limits.ts';
import type { Session } from './session.ts';
import type { TargetEffect } from './step.ts';
import type { Task } from './tasks.ts';
import type { Burst, WriteTransfer } from './transfer.ts';

/**
 * Asks for the data of a write that did not come unasked (RFC 7143 section 11.8). What a session,
 * an address and all together are asked for at a time is bounded; a write that does not fit waits
 * until others are done.
 */
export function solicit(task: Task, transfer: WriteTransfer, effects: TargetEffect[]): void {
  const { session } = task;
  if (!transfer.canAsk(session.parameters.maxOutstandingR2T)) return;
  if (task.solicitedBytes === 0) {
    const bytes = transfer.unaskedBytes;
    const isFirst = session.waitingWrites.length === 0 || session.waitingWrites[0] === task;
    const isFull = session.solicitedBytes + bytes > SOLICITED_BYTES_PER_SESSION;
    if (!isFirst || isFull || !session.rooms.writes.take(bytes)) {
      if (!session.waitingWrites.includes(task)) session.waitingWrites.push(task);
      session.rooms.writes.whole.waiting.add(session);
      return;
    }
    task.heldBytes += bytes;
    task.solicitedBytes = bytes;
    session.solicitedBytes += bytes;
  }
  const { maxBurstLength, maxOutstandingR2T } = session.parameters;
  while (transfer.canAsk(maxOutstandingR2T)) {
    sendR2T(task, transfer.ask(session.takeTag(), maxBurstLength), effects);
  }
  task.r2tCount = transfer.r2tCount;
}

/** Goes on with the writes that waited, of all sessions, as far as there is room now. */
export function solicitWaiting(room: DataRoom, effects: TargetEffect[]): void {
  for (const session of room.waiting) {
    if (session.isOpen) solicitFirst(session, effects);
    if (!session.isOpen || session.waitingWrites.length === 0) room.waiting.delete(session);
  }
}

function solicitFirst(session: Session, effects: TargetEffect[]): void {
  for (let task = session.waitingWrites[0]; task !== undefined; task = session.waitingWrites[0]) {
    assert(task.state.kind === 'gathering', 'only writes that gather wait for room');
    solicit(task, task.state.transfer, effects);
    if (task.solicitedBytes === 0) return;
    session.waitingWrites.shift();
  }
}

function sendR2T(task: Task, burst: Burst, effects: TargetEffect[]): void {
  const header = makeHeader(RESPONSE.R2T, FINAL, task.itt, 0);
  task.lun.copy(header, BHS.lun);
  header.writeUInt32BE(burst.ttt, BHS.ttt);
  header.writeUInt32BE(burst.r2tSN, BHS.dataSN);
  header.writeUInt32BE(burst.start, BHS.bufferOffset);
  header.writeUInt32BE(burst.end - burst.start, BHS.desiredDataTransferLength);
  task.session.window.stamp(header);
  task.session.send(header, undefined, effects);
}
