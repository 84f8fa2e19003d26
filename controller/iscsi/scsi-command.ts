import { BHS, flagsOf, isImmediate, ittOf } from './bhs.ts';
import {
  COMMAND_FLAG,
  FINAL,
  REJECT_REASON,
  type RejectReason,
  TRANSPORT_SENSE,
  type TransportSense,
} from './constants.ts';
import { MAX_IMMEDIATE } from './limits.ts';
import { sendNoRoom, sendTransportFailure } from './scsi-response.ts';
import type { Session } from './session.ts';
import { solicit } from './solicitation.ts';
import type { Pdu, TargetEffect } from './step.ts';
import type { TaskTable } from './tasks.ts';
import { WriteTransfer } from './transfer.ts';

/**
 * Takes a SCSI Command PDU (RFC 7143 section 11.3). A write whose data is all there is executed
 * with a view on the PDU; other writes gather their data first. Returns why the PDU is rejected.
 */
export function receiveCommand(
  tasks: TaskTable,
  session: Session,
  pdu: Pdu,
  effects: TargetEffect[],
): RejectReason | undefined {
  const { header, data } = pdu;
  const flags = flagsOf(header);
  const isWrite = (flags & COMMAND_FLAG.WRITE) !== 0;
  const isFinal = (flags & FINAL) !== 0;
  if (session.tasks.has(ittOf(header))) return REJECT_REASON.TASK_IN_PROGRESS;
  if (isImmediate(header) && session.immediateCount >= MAX_IMMEDIATE) {
    return REJECT_REASON.IMMEDIATE_COMMAND_REJECT;
  }
  if (!isWrite) {
    if (!isFinal || data.length > 0) return REJECT_REASON.INVALID_PDU_FIELD;
    tasks.read(tasks.add(session, pdu), effects);
    return undefined;
  }
  // Bidirectional commands: none of ours is one, and their second length is an AHS of its own.
  if ((flags & COMMAND_FLAG.READ) !== 0) return REJECT_REASON.COMMAND_NOT_SUPPORTED;
  const expectedBytes = header.readUInt32BE(BHS.expectedDataTransferLength);
  if (data.length > expectedBytes) return REJECT_REASON.INVALID_PDU_FIELD;
  const task = tasks.add(session, pdu);
  const failure = whyUnsolicitedRefused(session, data.length, isFinal);
  if (failure !== undefined) {
    tasks.remove(task, effects);
    sendTransportFailure(task, failure, effects);
    return undefined;
  }
  // Counted although it may not come: what is announced cannot be refused later on.
  const unaskedBytes = isFinal
    ? data.length
    : Math.min(expectedBytes, session.parameters.firstBurstLength);
  if (!session.rooms.writes.take(unaskedBytes)) {
    tasks.remove(task, effects);
    sendNoRoom(task, effects);
    return undefined;
  }
  task.heldBytes = unaskedBytes;
  if (data.length === expectedBytes) {
    tasks.execute(task, data, effects);
    return undefined;
  }
  const firstBurstLength = isFinal ? 0 : session.parameters.firstBurstLength;
  const transfer = new WriteTransfer(expectedBytes, data, firstBurstLength);
  task.state = { kind: 'gathering', transfer };
  solicit(task, transfer, effects);
  return undefined;
}

/**
 * Takes a SCSI Data-Out PDU (section 11.7). One for a task that is over is dropped without a word:
 * it was on its way when the task ended.
 */
export function receiveDataOut(
  tasks: TaskTable,
  session: Session,
  pdu: Pdu,
  effects: TargetEffect[],
): void {
  const task = session.tasks.get(ittOf(pdu.header));
  if (task?.state.kind !== 'gathering') return;
  const { transfer } = task.state;
  const failure = transfer.take(pdu) ?? whyUnusable(transfer);
  if (failure !== undefined) {
    tasks.remove(task, effects);
    sendTransportFailure(task, failure, effects);
  } else if (transfer.isComplete) {
    tasks.execute(task, transfer.data, effects);
  } else {
    solicit(task, transfer, effects);
  }
}

/** Section 7.8: a write with damaged data fails, but not before all of its data is in. */
function whyUnusable(transfer: WriteTransfer): TransportSense | undefined {
  return transfer.isComplete && transfer.isDamaged
    ? TRANSPORT_SENSE.PROTOCOL_SERVICE_CRC_ERROR
    : undefined;
}

/** Whether this much data may come with a command, and more of it unasked behind it. */
function whyUnsolicitedRefused(
  session: Session,
  immediateBytes: number,
  isFinal: boolean,
): TransportSense | undefined {
  const { immediateData, initialR2T, firstBurstLength } = session.parameters;
  const isAllowed =
    (immediateBytes === 0 || (immediateData && immediateBytes <= firstBurstLength)) &&
    (isFinal || !initialR2T);
  return isAllowed ? undefined : TRANSPORT_SENSE.UNEXPECTED_UNSOLICITED_DATA;
}
