import { assert } from '../../replica/common/assert.ts';
import { BHS, flagsOf, ISID_BYTES, ittOf, makeHeader, NO_BYTES, opcodeOf } from './bhs.ts';
import { CommandWindow } from './command-window.ts';
import {
  FINAL,
  LOGIN_STAGE,
  LOGIN_STATUS,
  type LoginStatus,
  PROTOCOL_VERSION,
  REQUEST,
  RESPONSE,
  TEXT_CONTINUES,
} from './constants.ts';
import { MAX_LOGIN_REQUESTS } from './limits.ts';
import { Negotiation, OUR_DECLARATIONS } from './negotiation.ts';
import type { Pdu } from './step.ts';
import { decodeText, encodeText, TextExchange, type TextPair } from './text-keys.ts';

/** What a target is called, and where. */
export interface TargetConfig {
  /** iqn or eui name. */
  readonly targetName: string;
  readonly targetAlias: string;
  /** Address and port as initiators reach it, e.g. `127.0.1.1:3260`. */
  readonly portal: string;
  readonly portalGroupTag: 1;
}

/** What a completed login established. */
export interface LoginResult {
  readonly initiatorName: string;
  /** 12 hexadecimal digits. */
  readonly isid: string;
  readonly cid: number;
  readonly isDiscovery: boolean;
  readonly negotiation: Negotiation;
  readonly window: CommandWindow;
}

/**
 * The answer to one login request. After 'complete' the caller still has to write the TSIH, or to
 * `withdraw` the answer; after 'refused' it closes the connection.
 */
export interface LoginAnswer {
  readonly outcome: 'more' | 'refused' | 'complete';
  readonly header: Buffer;
  readonly data: Buffer;
}

/** Login responses keep to what every initiator takes before anything was declared (13.12). */
const MAX_LOGIN_RESPONSE_BYTES = 8192;

type Stage = (typeof LOGIN_STAGE)[keyof typeof LOGIN_STAGE];

/** The login phase of one connection (RFC 7143 sections 6.3, 11.12 and 11.13). */
export class Login {
  readonly #config: TargetConfig;
  readonly #hasSession: (tsih: number) => boolean;
  readonly #text = new TextExchange();
  readonly #negotiation = new Negotiation();
  readonly #declared = new Map<string, string>();
  #window: CommandWindow | undefined;
  #stage: Stage | undefined;
  #identity: Buffer | undefined;
  #requestCount = 0;
  #hasIntroduced = false;
  #hasDeclared = false;

  /** @param hasSession whether a session with this handle exists */
  constructor(config: TargetConfig, hasSession: (tsih: number) => boolean) {
    this.#config = config;
    this.#hasSession = hasSession;
  }

  receive(pdu: Pdu): LoginAnswer {
    const { header } = pdu;
    this.#window ??= new CommandWindow(header.readUInt32BE(BHS.cmdSN));
    if (opcodeOf(header) !== REQUEST.LOGIN) {
      return this.#refuse(header, LOGIN_STATUS.INVALID_DURING_LOGIN);
    }
    this.#requestCount += 1;
    if (this.#requestCount > MAX_LOGIN_REQUESTS) {
      return this.#refuse(header, LOGIN_STATUS.INITIATOR_ERROR);
    }
    const status = this.#whyHeaderRefused(header);
    if (status !== undefined) return this.#refuse(header, status);
    const isContinued = (flagsOf(header) & TEXT_CONTINUES) !== 0;
    if (this.#text.isAnswering) {
      if (pdu.data.length > 0 || isContinued) {
        return this.#refuse(header, LOGIN_STATUS.INITIATOR_ERROR);
      }
      return this.#respond(header);
    }
    const text = this.#text.gather(pdu.data, isContinued);
    if (text === 'more') return this.#answer(header, 0, NO_BYTES);
    const pairs = text === 'too-long' ? undefined : decodeText(text);
    const reply = pairs === undefined ? LOGIN_STATUS.INITIATOR_ERROR : this.#take(pairs);
    if (typeof reply === 'number') return this.#refuse(header, reply);
    this.#text.answer(encodeText(reply));
    return this.#respond(header);
  }

  /** Ends the login with a status other than success. */
  #refuse(request: Buffer, status: LoginStatus): LoginAnswer {
    const header = this.#makeResponse(request, 0, NO_BYTES);
    header.writeUInt16BE(status, BHS.loginStatus);
    return { outcome: 'refused', header, data: NO_BYTES };
  }

  /** What was agreed, once an answer said 'complete'. */
  result(): LoginResult {
    const identity = this.#identity;
    const initiatorName = this.#declared.get('InitiatorName');
    const window = this.#window;
    assert(
      identity !== undefined && initiatorName !== undefined && window !== undefined,
      'the login is complete',
    );
    return {
      initiatorName,
      isid: identity.toString('hex', 0, ISID_BYTES),
      cid: identity.readUInt16BE(ISID_BYTES + 2),
      isDiscovery: this.#declared.get('SessionType') === 'Discovery',
      negotiation: this.#negotiation,
      window,
    };
  }

  #whyHeaderRefused(header: Buffer): LoginStatus | undefined {
    if ((header[BHS.versionMin] as number) > PROTOCOL_VERSION) {
      return LOGIN_STATUS.UNSUPPORTED_VERSION;
    }
    const flags = flagsOf(header);
    const transits = (flags & FINAL) !== 0;
    const stage = stageOf(flags >> 2);
    const next = stageOf(flags);
    if (transits && (flags & TEXT_CONTINUES) !== 0) return LOGIN_STATUS.INITIATOR_ERROR;
    if (stage === undefined || stage === LOGIN_STAGE.FULL_FEATURE) {
      return LOGIN_STATUS.INITIATOR_ERROR;
    }
    if (transits && (next === undefined || next <= stage)) return LOGIN_STATUS.INITIATOR_ERROR;
    this.#stage ??= stage;
    if (stage !== this.#stage) return LOGIN_STATUS.INITIATOR_ERROR;
    return this.#whyIdentityRefused(header);
  }

  /** ISID, TSIH and CID stay what they were in the first request. */
  #whyIdentityRefused(header: Buffer): LoginStatus | undefined {
    const identity = Buffer.concat([
      header.subarray(BHS.isid, BHS.isid + ISID_BYTES + 2),
      header.subarray(BHS.cid, BHS.cid + 2),
    ]);
    if (this.#identity !== undefined) {
      return this.#identity.equals(identity) ? undefined : LOGIN_STATUS.INITIATOR_ERROR;
    }
    this.#identity = identity;
    const tsih = header.readUInt16BE(BHS.tsih);
    if (tsih === 0) return undefined;
    // MaxConnections is 1, and at error recovery level 0 a connection is not reinstated.
    return this.#hasSession(tsih)
      ? LOGIN_STATUS.TOO_MANY_CONNECTIONS
      : LOGIN_STATUS.SESSION_DOES_NOT_EXIST;
  }

  /** Takes the keys of one complete text: the reply, or why the login ends. */
  #take(pairs: readonly TextPair[]): TextPair[] | LoginStatus {
    const reply: TextPair[] = [];
    if (!this.#hasIntroduced) {
      const status = this.#introduce(pairs);
      if (status !== undefined) return status;
      if (this.#declared.get('SessionType') !== 'Discovery') {
        reply.push(['TargetAlias', this.#config.targetAlias]);
        // Section 13.9: must be in the first response of a normal session.
        reply.push(['TargetPortalGroupTag', String(this.#config.portalGroupTag)]);
      }
    }
    const isFirst = !this.#hasIntroduced;
    this.#hasIntroduced = true;
    for (const [key, value] of pairs) {
      if (INTRODUCTION_KEYS.has(key)) {
        if (!isFirst) return LOGIN_STATUS.INITIATOR_ERROR;
        continue;
      }
      const status =
        this.#stage === LOGIN_STAGE.SECURITY
          ? this.#takeSecurityKey(key, value, reply)
          : this.#takeOperationalKey(key, value, reply);
      if (status !== undefined) return status;
    }
    if (this.#stage === LOGIN_STAGE.OPERATIONAL && !this.#hasDeclared) {
      this.#hasDeclared = true;
      reply.push(...OUR_DECLARATIONS);
    }
    return reply;
  }

  /** Who is it, and what do they want: asked of the first text only (section 6.3.1). */
  #introduce(pairs: readonly TextPair[]): LoginStatus | undefined {
    for (const [key, value] of pairs) {
      if (!INTRODUCTION_KEYS.has(key)) continue;
      if (this.#declared.has(key)) return LOGIN_STATUS.INITIATOR_ERROR;
      this.#declared.set(key, value);
    }
    const initiatorName = this.#declared.get('InitiatorName');
    if (initiatorName === undefined) return LOGIN_STATUS.MISSING_PARAMETER;
    if (initiatorName === '' || Buffer.byteLength(initiatorName) > MAX_NAME_BYTES) {
      return LOGIN_STATUS.INITIATOR_ERROR;
    }
    const sessionType = this.#declared.get('SessionType') ?? 'Normal';
    if (sessionType === 'Discovery') return undefined;
    if (sessionType !== 'Normal') return LOGIN_STATUS.SESSION_TYPE_NOT_SUPPORTED;
    const targetName = this.#declared.get('TargetName');
    if (targetName === undefined) return LOGIN_STATUS.MISSING_PARAMETER;
    // iSCSI names compare without case (RFC 3722: they are folded before use).
    return targetName.toLowerCase() === this.#config.targetName.toLowerCase()
      ? undefined
      : LOGIN_STATUS.TARGET_NOT_FOUND;
  }

  #takeSecurityKey(key: string, value: string, reply: TextPair[]): LoginStatus | undefined {
    if (key !== 'AuthMethod') return this.#takeOperationalKey(key, value, reply);
    if (this.#declared.has(key)) return LOGIN_STATUS.INITIATOR_ERROR;
    this.#declared.set(key, value);
    if (!value.split(',').includes('None')) return LOGIN_STATUS.AUTHENTICATION_FAILURE;
    reply.push(['AuthMethod', 'None']);
    return undefined;
  }

  /** Operational keys are taken in the security stage too: some initiators send all at once. */
  #takeOperationalKey(key: string, value: string, reply: TextPair[]): LoginStatus | undefined {
    const offer = this.#negotiation.offer(key, value);
    if (offer === 'again') return LOGIN_STATUS.INITIATOR_ERROR;
    if (offer.answer !== undefined) reply.push([key, offer.answer]);
    return undefined;
  }

  /** Sends the next part of the reply; the stage changes with its last part. */
  #respond(request: Buffer): LoginAnswer {
    const data = this.#text.takeAnswer(MAX_LOGIN_RESPONSE_BYTES);
    if (this.#text.isAnswering) return this.#answer(request, TEXT_CONTINUES, data);
    const flags = flagsOf(request);
    if ((flags & FINAL) === 0) return this.#answer(request, 0, data);
    this.#stage = stageOf(flags) as Stage;
    const answer = this.#answer(request, FINAL | (flags & NEXT_STAGE_MASK), data);
    return this.#stage === LOGIN_STAGE.FULL_FEATURE ? { ...answer, outcome: 'complete' } : answer;
  }

  #answer(request: Buffer, flags: number, data: Buffer): LoginAnswer {
    return { outcome: 'more', header: this.#makeResponse(request, flags, data), data };
  }

  #makeResponse(request: Buffer, flags: number, data: Buffer): Buffer {
    const stage = flagsOf(request) & CURRENT_STAGE_MASK;
    const header = makeHeader(RESPONSE.LOGIN, flags | stage, ittOf(request), data.length);
    header[BHS.versionMax] = PROTOCOL_VERSION;
    request.copy(header, BHS.isid, BHS.isid, BHS.isid + ISID_BYTES + 2);
    this.#window?.stampStatus(header);
    return header;
  }
}

/** Turns a success that was not sent yet into a refusal. */
export function withdraw(answer: LoginAnswer, status: LoginStatus): LoginAnswer {
  const { header, data } = answer;
  header[BHS.flags] = flagsOf(header) & CURRENT_STAGE_MASK;
  header.writeUInt16BE(status, BHS.loginStatus);
  return { outcome: 'refused', header, data };
}

/** Names have at most 223 bytes (section 4.2.7.2). */
const MAX_NAME_BYTES = 223;

const INTRODUCTION_KEYS: ReadonlySet<string> = new Set([
  'InitiatorName',
  'TargetName',
  'SessionType',
]);

const CURRENT_STAGE_MASK = 0x0c;
const NEXT_STAGE_MASK = 0x03;

function stageOf(bits: number): Stage | undefined {
  const stage = bits & 3;
  return stage === 2 ? undefined : (stage as Stage);
}
