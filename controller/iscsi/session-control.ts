import { BHS, BHS_BYTES, flagsOf, ittOf, makeHeader, makeUntaggedHeader } from './bhs.ts';
import {
  ASYNC_REQUEST_LOGOUT,
  FINAL,
  LOGOUT_REASON,
  LOGOUT_RESPONSE,
  NO_TAG,
  RESPONSE,
  type RejectReason,
} from './constants.ts';
import { LOGOUT_WAIT_SECONDS } from './limits.ts';
import type { Session } from './session.ts';
import type { Pdu, TargetEffect } from './step.ts';

/** Refuses a PDU; its header goes back as data (RFC 7143 section 11.17). */
export function sendReject(
  session: Session,
  reason: RejectReason,
  refused: Buffer,
  effects: TargetEffect[],
): void {
  const header = makeHeader(RESPONSE.REJECT, FINAL, NO_TAG, BHS_BYTES);
  header[BHS.response] = reason;
  session.window.stampStatus(header);
  session.send(header, refused, effects);
}

/** Answers a ping with its own data; an answer to our ping asks for nothing (section 11.18). */
export function receiveNopOut(session: Session, pdu: Pdu, effects: TargetEffect[]): void {
  const itt = ittOf(pdu.header);
  if (itt === NO_TAG) return;
  const echo = pdu.data.subarray(0, session.parameters.maxRecvDataSegmentLength);
  const header = makeUntaggedHeader(RESPONSE.NOP_IN, FINAL, itt, echo.length);
  session.window.stampStatus(header);
  session.send(header, echo, effects);
}

/** Asks a silent initiator for a sign of life (section 11.19). */
export function sendPing(session: Session, effects: TargetEffect[]): void {
  const header = makeHeader(RESPONSE.NOP_IN, FINAL, NO_TAG, 0);
  header.writeUInt32BE(session.takeTag(), BHS.ttt);
  session.window.stamp(header);
  session.send(header, undefined, effects);
}

/** Asks the initiator to log out (section 11.9, async event 1). */
export function sendLogoutRequest(session: Session, effects: TargetEffect[]): void {
  const header = makeHeader(RESPONSE.ASYNC_MESSAGE, FINAL, NO_TAG, 0);
  header[BHS.asyncEvent] = ASYNC_REQUEST_LOGOUT;
  header.writeUInt16BE(LOGOUT_WAIT_SECONDS, BHS.asyncWaitSeconds);
  session.window.stampStatus(header);
  session.send(header, undefined, effects);
}

/**
 * What a Logout Request gets (sections 11.14 and 11.15). With one connection, closing it closes the
 * session. The caller ends the session before it sends a response that says so.
 */
export function logoutResponse(request: Buffer, cid: number): number {
  switch (flagsOf(request) & 0x7f) {
    case LOGOUT_REASON.CLOSE_SESSION:
      return LOGOUT_RESPONSE.CLOSED;
    case LOGOUT_REASON.CLOSE_CONNECTION:
      return request.readUInt16BE(BHS.cid) === cid
        ? LOGOUT_RESPONSE.CLOSED
        : LOGOUT_RESPONSE.CONNECTION_NOT_FOUND;
    default:
      return LOGOUT_RESPONSE.RECOVERY_NOT_SUPPORTED;
  }
}

/** Time2Wait and Time2Retain stay 0: there is nothing to wait for and nothing is retained. */
export function sendLogoutResponse(
  session: Session,
  request: Buffer,
  response: number,
  effects: TargetEffect[],
): void {
  const header = makeHeader(RESPONSE.LOGOUT, FINAL, ittOf(request), 0);
  header[BHS.response] = response;
  session.window.stampStatus(header);
  session.send(header, undefined, effects);
}
