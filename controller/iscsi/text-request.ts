import { BHS, flagsOf, ittOf, makeHeader } from './bhs.ts';
import {
  FINAL,
  NO_TAG,
  REJECT_REASON,
  RESPONSE,
  type RejectReason,
  TEXT_CONTINUES,
} from './constants.ts';
import type { TargetConfig } from './login.ts';
import type { Session } from './session.ts';
import type { Pdu, TargetEffect } from './step.ts';
import { decodeText, encodeText, TextExchange, type TextPair } from './text-keys.ts';

/**
 * Takes a Text Request (RFC 7143 sections 11.10 and 11.11). A session has one exchange at a time; a
 * request without a target transfer tag starts over. Returns why the PDU is rejected.
 */
export function receiveText(
  config: TargetConfig,
  session: Session,
  pdu: Pdu,
  effects: TargetEffect[],
): RejectReason | undefined {
  const { header } = pdu;
  const ttt = header.readUInt32BE(BHS.ttt);
  const open = ttt === NO_TAG ? undefined : session.openText;
  if (ttt !== NO_TAG && open?.ttt !== ttt) return REJECT_REASON.INVALID_PDU_FIELD;
  session.openText = undefined;
  const exchange = open?.exchange ?? new TextExchange();
  const isContinued = (flagsOf(header) & TEXT_CONTINUES) !== 0;
  if (exchange.isAnswering) {
    if (pdu.data.length > 0 || isContinued) return REJECT_REASON.PROTOCOL_ERROR;
  } else {
    const text = exchange.gather(pdu.data, isContinued);
    if (text === 'too-long') return REJECT_REASON.PROTOCOL_ERROR;
    if (text !== 'more') {
      const pairs = decodeText(text);
      if (pairs === undefined || hasKeyTwice(pairs)) return REJECT_REASON.PROTOCOL_ERROR;
      exchange.answer(encodeText(answerPairs(config, session, pairs)));
    }
  }
  respond(session, exchange, header, effects);
  return undefined;
}

/** Sends the next part; the exchange stays open until both sides said that it is final. */
function respond(
  session: Session,
  exchange: TextExchange,
  request: Buffer,
  effects: TargetEffect[],
): void {
  const data = exchange.takeAnswer(session.parameters.maxRecvDataSegmentLength);
  const requestFlags = flagsOf(request);
  const isDone = !exchange.isAnswering && (requestFlags & FINAL) !== 0;
  const flags = isDone ? FINAL : exchange.isAnswering ? TEXT_CONTINUES : 0;
  const header = makeHeader(RESPONSE.TEXT, flags, ittOf(request), data.length);
  const ttt = isDone ? NO_TAG : session.takeTag();
  if (!isDone) session.openText = { exchange, ttt };
  header.writeUInt32BE(ttt, BHS.ttt);
  session.window.stampStatus(header);
  session.send(header, data, effects);
}

/** A key is negotiated once in an exchange (section 6.3); nothing of it holds otherwise. */
function hasKeyTwice(pairs: readonly TextPair[]): boolean {
  return new Set(pairs.map(([key]) => key)).size < pairs.length;
}

function answerPairs(
  config: TargetConfig,
  session: Session,
  pairs: readonly TextPair[],
): TextPair[] {
  const reply: TextPair[] = [];
  for (const [key, value] of pairs) {
    if (key === 'SendTargets') {
      reply.push(...describeTargets(config, session, value));
      continue;
    }
    const answer = session.negotiation.offerLater(key, value);
    if (answer !== undefined) reply.push([key, answer]);
  }
  session.parameters = session.negotiation.parameters();
  return reply;
}

/**
 * SendTargets (appendix C): `All` in discovery sessions only, a name anywhere, and nothing for the
 * target that a normal session is logged in to.
 */
function describeTargets(config: TargetConfig, session: Session, which: string): TextPair[] {
  if (which === (session.isDiscovery ? '' : 'All')) return [['SendTargets', 'Reject']];
  const isOurs =
    which === '' || which === 'All' || which.toLowerCase() === config.targetName.toLowerCase();
  if (!isOurs) return [];
  return [
    ['TargetName', config.targetName],
    ['TargetAddress', `${config.portal},${config.portalGroupTag}`],
  ];
}
