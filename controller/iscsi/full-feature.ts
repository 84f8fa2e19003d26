import { BHS, isImmediate, opcodeOf } from './bhs.ts';
import { LOGOUT_RESPONSE, REJECT_REASON, REQUEST, type RejectReason } from './constants.ts';
import type { TargetConfig } from './login.ts';
import { receiveCommand, receiveDataOut } from './scsi-command.ts';
import type { Session } from './session.ts';
import {
  logoutResponse,
  receiveNopOut,
  sendLogoutResponse,
  sendReject,
} from './session-control.ts';
import type { Pdu, TargetEffect } from './step.ts';
import type { TaskManagement } from './task-management.ts';
import type { TaskTable } from './tasks.ts';
import { receiveText } from './text-request.ts';

/** What the full feature phase needs of the target. */
export interface FullFeatureParts {
  readonly config: TargetConfig;
  readonly tasks: TaskTable;
  readonly management: TaskManagement;
  /** Ends the session's tasks and its nexus; the connection is closed by the caller. */
  readonly endSession: (session: Session, effects: TargetEffect[]) => void;
}

/**
 * Takes one PDU of a session in the full feature phase. Returns why its connection has to be
 * closed, or undefined to go on.
 */
export function receiveFullFeature(
  parts: FullFeatureParts,
  session: Session,
  pdu: Pdu,
  effects: TargetEffect[],
): string | undefined {
  const { header } = pdu;
  const opcode = opcodeOf(header);
  if (pdu.isDamaged === true) return receiveDamaged(parts, session, pdu, effects);
  if (opcode === REQUEST.DATA_OUT) {
    receiveDataOut(parts.tasks, session, pdu, effects);
    return undefined;
  }
  if (opcode === REQUEST.SNACK) {
    sendReject(session, REJECT_REASON.SNACK_REJECT, header, effects);
    return undefined;
  }
  if (!isImmediate(header)) {
    const admission = session.window.admit(header.readUInt32BE(BHS.cmdSN));
    if (admission === 'ignore') return undefined;
    if (admission === 'gap') return 'commands are missing: CmdSN skips numbers';
  }
  if (opcode === REQUEST.LOGOUT) return receiveLogout(parts, session, header, effects);
  const reason = session.isDiscovery
    ? receiveInDiscovery(parts, session, pdu, effects)
    : receiveRequest(parts, session, pdu, effects);
  if (reason === undefined) return undefined;
  if (!isImmediate(header)) session.window.reject();
  sendReject(session, reason, header, effects);
  return undefined;
}

/**
 * A PDU with a wrong data digest is rejected and dropped (RFC 7143 section 7.8). The write that a
 * Data-Out belonged to fails once all its data came. Any other PDU leaves a gap in the CmdSNs,
 * unless it is immediate; to fill it is recovery within a connection, which is level 1. At level 0
 * the session starts over (section 7.1.5), and its initiator sends the command again at once.
 */
function receiveDamaged(
  parts: FullFeatureParts,
  session: Session,
  pdu: Pdu,
  effects: TargetEffect[],
): string | undefined {
  sendReject(session, REJECT_REASON.DATA_DIGEST_ERROR, pdu.header, effects);
  if (opcodeOf(pdu.header) === REQUEST.DATA_OUT) {
    receiveDataOut(parts.tasks, session, pdu, effects);
    return undefined;
  }
  return isImmediate(pdu.header) ? undefined : 'data digest error';
}

function receiveRequest(
  parts: FullFeatureParts,
  session: Session,
  pdu: Pdu,
  effects: TargetEffect[],
): RejectReason | undefined {
  switch (opcodeOf(pdu.header)) {
    case REQUEST.SCSI_COMMAND:
      return receiveCommand(parts.tasks, session, pdu, effects);
    case REQUEST.NOP_OUT:
      receiveNopOut(session, pdu, effects);
      return undefined;
    case REQUEST.TASK_MANAGEMENT:
      return parts.management.receive(session, pdu, effects);
    case REQUEST.TEXT:
      return receiveText(parts.config, session, pdu, effects);
    case REQUEST.LOGIN:
      return REJECT_REASON.PROTOCOL_ERROR;
    default:
      return REJECT_REASON.COMMAND_NOT_SUPPORTED;
  }
}

/** A discovery session may ask for targets and go, nothing else (RFC 7143 section 4.3). */
function receiveInDiscovery(
  parts: FullFeatureParts,
  session: Session,
  pdu: Pdu,
  effects: TargetEffect[],
): RejectReason | undefined {
  switch (opcodeOf(pdu.header)) {
    case REQUEST.TEXT:
      return receiveText(parts.config, session, pdu, effects);
    case REQUEST.NOP_OUT:
      receiveNopOut(session, pdu, effects);
      return undefined;
    default:
      return REJECT_REASON.COMMAND_NOT_SUPPORTED;
  }
}

function receiveLogout(
  parts: FullFeatureParts,
  session: Session,
  header: Buffer,
  effects: TargetEffect[],
): string | undefined {
  const response = logoutResponse(header, session.cid);
  // Ended before it is told: nothing of the session may happen behind the response (I15).
  if (response === LOGOUT_RESPONSE.CLOSED) parts.endSession(session, effects);
  sendLogoutResponse(session, header, response, effects);
  return response === LOGOUT_RESPONSE.CLOSED ? 'logged out' : undefined;
}
