import { assert } from '../../replica/common/assert.ts';
import { foldName, MAX_NAME_BYTES } from '../protocol/initiator-name.ts';
import type { Access } from './access.ts';
import { BHS, flagsOf, ISID_BYTES, ittOf, makeHeader, NO_BYTES, opcodeOf } from './bhs.ts';
import type { Cryptography } from './chap.ts';
import { CommandWindow } from './command-window.ts';
import {
  FINAL,
  LOGIN_STAGE,
  PROTOCOL_VERSION,
  REQUEST,
  RESPONSE,
  TEXT_CONTINUES,
} from './constants.ts';
import { MAX_LOGIN_REQUESTS } from './limits.ts';
import { LOGIN_REFUSALS, type LoginRefusal } from './login-refusals.ts';
import { Negotiation, OUR_DECLARATIONS } from './negotiation.ts';
import { isSecurityKey, SecurityStage } from './security-stage.ts';
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

/** What a login needs of its target. */
export interface LoginParts {
  readonly config: TargetConfig;
  /** As it is when the login begins; a change is for the next one. */
  readonly access: Access;
  readonly cryptography: Cryptography;
  /** Whether a session with this handle exists. */
  readonly hasSession: (tsih: number) => boolean;
}

/** What a completed login established. */
export interface LoginResult {
  /** Folded, so that one initiator has one name however it writes it. */
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
  /** Only when refused. */
  readonly refusal?: LoginRefusal;
  readonly header: Buffer;
  readonly data: Buffer;
}

/** Login responses keep to what every initiator takes before anything was declared (13.12). */
const MAX_LOGIN_RESPONSE_BYTES = 8192;

type Stage = (typeof LOGIN_STAGE)[keyof typeof LOGIN_STAGE];

/** The login phase of one connection (RFC 7143 sections 6.3, 11.12 and 11.13). */
export class Login {
  readonly #parts: LoginParts;
  readonly #security: SecurityStage;
  readonly #text = new TextExchange();
  readonly #negotiation = new Negotiation();
  readonly #declared = new Map<string, string>();
  #window: CommandWindow | undefined;
  #stage: Stage | undefined;
  #identity: Buffer | undefined;
  #requestCount = 0;
  #hasIntroduced = false;
  #hasDeclared = false;

  constructor(parts: LoginParts) {
    this.#parts = parts;
    this.#security = new SecurityStage(parts.access.chap, parts.cryptography);
  }

  /** As it calls itself, folded; undefined until it has said so. Nothing is proved by it. */
  get initiatorName(): string | undefined {
    const name = this.#declared.get('InitiatorName');
    return name === undefined ? undefined : foldName(name);
  }

  receive(pdu: Pdu): LoginAnswer {
    const { header } = pdu;
    this.#window ??= new CommandWindow(header.readUInt32BE(BHS.cmdSN));
    if (opcodeOf(header) !== REQUEST.LOGIN) {
      return this.#refuse(header, 'not-a-login');
    }
    this.#requestCount += 1;
    if (this.#requestCount > MAX_LOGIN_REQUESTS) {
      return this.#refuse(header, 'protocol-error');
    }
    const refusal = this.#whyHeaderRefused(header);
    if (refusal !== undefined) return this.#refuse(header, refusal);
    const isContinued = (flagsOf(header) & TEXT_CONTINUES) !== 0;
    if (this.#text.isAnswering) {
      if (pdu.data.length > 0 || isContinued) {
        return this.#refuse(header, 'protocol-error');
      }
      return this.#respond(header);
    }
    const text = this.#text.gather(pdu.data, isContinued);
    if (text === 'more') return this.#answer(header, 0, NO_BYTES);
    const pairs = text === 'too-long' ? undefined : decodeText(text);
    const reply = pairs === undefined ? 'protocol-error' : this.#take(pairs);
    if (typeof reply === 'string') return this.#refuse(header, reply);
    if (this.#goesPastSecurity(header)) return this.#refuse(header, 'authentication-required');
    this.#text.answer(encodeText(reply));
    return this.#respond(header);
  }

  /** Ends the login with a status other than success. */
  #refuse(request: Buffer, refusal: LoginRefusal): LoginAnswer {
    const header = this.#makeResponse(request, 0, NO_BYTES);
    header.writeUInt16BE(LOGIN_REFUSALS[refusal], BHS.loginStatus);
    return { outcome: 'refused', refusal, header, data: NO_BYTES };
  }

  /** What was agreed, once an answer said 'complete'. */
  result(): LoginResult {
    assert(this.#security.isPassed, 'nobody logs in without the proof that is required');
    const identity = this.#identity;
    const { initiatorName } = this;
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

  #whyHeaderRefused(header: Buffer): LoginRefusal | undefined {
    if ((header[BHS.versionMin] as number) > PROTOCOL_VERSION) {
      return 'unsupported-version';
    }
    const flags = flagsOf(header);
    const transits = (flags & FINAL) !== 0;
    const stage = stageOf(flags >> 2);
    const next = stageOf(flags);
    if (transits && (flags & TEXT_CONTINUES) !== 0) return 'protocol-error';
    if (stage === undefined || stage === LOGIN_STAGE.FULL_FEATURE) {
      return 'protocol-error';
    }
    if (transits && (next === undefined || next <= stage)) return 'protocol-error';
    this.#stage ??= stage;
    if (stage !== this.#stage) return 'protocol-error';
    return this.#whyIdentityRefused(header);
  }

  /** ISID, TSIH and CID stay what they were in the first request. */
  #whyIdentityRefused(header: Buffer): LoginRefusal | undefined {
    const identity = Buffer.concat([
      header.subarray(BHS.isid, BHS.isid + ISID_BYTES + 2),
      header.subarray(BHS.cid, BHS.cid + 2),
    ]);
    if (this.#identity !== undefined) {
      return this.#identity.equals(identity) ? undefined : 'protocol-error';
    }
    this.#identity = identity;
    const tsih = header.readUInt16BE(BHS.tsih);
    if (tsih === 0) return undefined;
    // MaxConnections is 1, and at error recovery level 0 a connection is not reinstated.
    return this.#parts.hasSession(tsih) ? 'too-many-connections' : 'unknown-session';
  }

  /** Takes the keys of one complete text: the reply, or why the login ends. */
  #take(pairs: readonly TextPair[]): TextPair[] | LoginRefusal {
    const reply: TextPair[] = [];
    if (!this.#hasIntroduced) {
      const refusal = this.#introduce(pairs);
      if (refusal !== undefined) return refusal;
      if (this.#declared.get('SessionType') !== 'Discovery') {
        reply.push(['TargetAlias', this.#parts.config.targetAlias]);
        // Section 13.9: must be in the first response of a normal session.
        reply.push(['TargetPortalGroupTag', String(this.#parts.config.portalGroupTag)]);
      }
    }
    const isFirst = !this.#hasIntroduced;
    this.#hasIntroduced = true;
    const proof = this.#takeSecurityKeys(pairs.filter(([key]) => isSecurityKey(key)));
    if (typeof proof === 'string') return proof;
    reply.push(...proof);
    for (const [key, value] of pairs) {
      if (isSecurityKey(key)) continue;
      if (INTRODUCTION_KEYS.has(key)) {
        if (!isFirst) return 'protocol-error';
        continue;
      }
      // Operational keys are taken in the security stage too: some initiators send all at once.
      const offer = this.#negotiation.offer(key, value);
      if (offer === 'again') return 'protocol-error';
      if (offer.answer !== undefined) reply.push([key, offer.answer]);
    }
    if (this.#stage === LOGIN_STAGE.OPERATIONAL && !this.#hasDeclared) {
      this.#hasDeclared = true;
      reply.push(...OUR_DECLARATIONS);
    }
    return reply;
  }

  #takeSecurityKeys(pairs: readonly TextPair[]): TextPair[] | LoginRefusal {
    if (this.#stage === LOGIN_STAGE.SECURITY) return this.#security.take(pairs);
    if (!this.#security.isPassed) return 'authentication-required';
    return pairs.length === 0 ? [] : 'protocol-error';
  }

  /** Who is it, and what do they want: asked of the first text only (section 6.3.1). */
  #introduce(pairs: readonly TextPair[]): LoginRefusal | undefined {
    for (const [key, value] of pairs) {
      if (!INTRODUCTION_KEYS.has(key)) continue;
      if (this.#declared.has(key)) return 'protocol-error';
      this.#declared.set(key, value);
    }
    const { initiatorName } = this;
    if (initiatorName === undefined) return 'missing-parameter';
    if (initiatorName === '' || Buffer.byteLength(initiatorName) > MAX_NAME_BYTES) {
      return 'protocol-error';
    }
    const sessionType = this.#declared.get('SessionType') ?? 'Normal';
    if (sessionType === 'Discovery') return this.#whyNotAllowed(initiatorName);
    if (sessionType !== 'Normal') return 'unsupported-session-type';
    const targetName = this.#declared.get('TargetName');
    if (targetName === undefined) return 'missing-parameter';
    if (foldName(targetName) !== foldName(this.#parts.config.targetName)) return 'unknown-target';
    return this.#whyNotAllowed(initiatorName);
  }

  /** Asked of discovery sessions as well: who may not log in need not know of the target. */
  #whyNotAllowed(initiatorName: string): LoginRefusal | undefined {
    const { initiators } = this.#parts.access;
    const isAllowed = initiators.length === 0 || initiators.includes(initiatorName);
    return isAllowed ? undefined : 'initiator-not-allowed';
  }

  /** It wants to leave the security stage without having offered what is required there. */
  #goesPastSecurity(request: Buffer): boolean {
    const { isPassed, isUnderWay } = this.#security;
    return (flagsOf(request) & FINAL) !== 0 && !isPassed && !isUnderWay;
  }

  /** Sends the next part of the reply; the stage changes with its last part. */
  #respond(request: Buffer): LoginAnswer {
    const data = this.#text.takeAnswer(MAX_LOGIN_RESPONSE_BYTES);
    if (this.#text.isAnswering) return this.#answer(request, TEXT_CONTINUES, data);
    const flags = flagsOf(request);
    // It may ask to leave the stage with its first offer; the answer is no until all is proved.
    const mayTransit = (flags & FINAL) !== 0 && this.#security.isPassed;
    if (!mayTransit) return this.#answer(request, 0, data);
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
export function withdraw(answer: LoginAnswer, refusal: LoginRefusal): LoginAnswer {
  const { header, data } = answer;
  header[BHS.flags] = flagsOf(header) & CURRENT_STAGE_MASK;
  header.writeUInt16BE(LOGIN_REFUSALS[refusal], BHS.loginStatus);
  return { outcome: 'refused', refusal, header, data };
}

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
