import type { Digests } from './digest.ts';
import {
  FIRST_BURST_BYTES,
  MAX_BURST_BYTES,
  MAX_OUTSTANDING_R2T,
  MAX_RECV_DATA_SEGMENT_BYTES,
} from './limits.ts';
import { decodeNumber } from './text-keys.ts';

/** What a session agreed on, as far as it changes what we do. */
export interface SessionParameters {
  /** Declared by the initiator: the largest data segment that we may send it. */
  readonly maxRecvDataSegmentLength: number;
  readonly maxBurstLength: number;
  readonly firstBurstLength: number;
  readonly maxOutstandingR2T: number;
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  readonly digests: Digests;
}

/** How a key is negotiated: its type and, with `ours`, its result function (section 6.2). */
type Rule =
  | ({ readonly type: 'number'; readonly min: number; readonly max: number } & (
      | { readonly result: 'smaller' | 'larger'; readonly ours: number; readonly start: number }
      | { readonly result: 'declared'; readonly start: number }
    ))
  | {
      readonly type: 'boolean';
      readonly result: 'and' | 'or';
      readonly ours: boolean;
      readonly start: boolean;
    }
  | { readonly type: 'list'; readonly accepted: readonly string[] }
  | { readonly type: 'text' }
  | { readonly type: 'refused' };

const MAX_SEGMENT = 2 ** 24 - 1;

/** RFC 7143 section 13. `start` is the value when the key is not negotiated. */
const OPERATIONAL_KEYS: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['HeaderDigest', { type: 'list', accepted: ['CRC32C', 'None'] }],
  ['DataDigest', { type: 'list', accepted: ['CRC32C', 'None'] }],
  ['MaxConnections', smaller(1, 65535, { ours: 1, start: 1 })],
  ['InitialR2T', { type: 'boolean', result: 'or', ours: false, start: true }],
  ['ImmediateData', { type: 'boolean', result: 'and', ours: true, start: true }],
  [
    'MaxRecvDataSegmentLength',
    { type: 'number', min: 512, max: MAX_SEGMENT, result: 'declared', start: 8192 },
  ],
  ['MaxBurstLength', smaller(512, MAX_SEGMENT, { ours: MAX_BURST_BYTES, start: 262144 })],
  ['FirstBurstLength', smaller(512, MAX_SEGMENT, { ours: FIRST_BURST_BYTES, start: 65536 })],
  // 0: we forget a session at once, so there is nothing to wait for before a new login.
  ['DefaultTime2Wait', { type: 'number', min: 0, max: 3600, result: 'larger', ours: 0, start: 2 }],
  ['DefaultTime2Retain', smaller(0, 3600, { ours: 0, start: 20 })],
  ['MaxOutstandingR2T', smaller(1, 65535, { ours: MAX_OUTSTANDING_R2T, start: 1 })],
  ['DataPDUInOrder', { type: 'boolean', result: 'or', ours: true, start: true }],
  ['DataSequenceInOrder', { type: 'boolean', result: 'or', ours: true, start: true }],
  ['ErrorRecoveryLevel', smaller(0, 2, { ours: 0, start: 0 })],
  ['iSCSIProtocolLevel', smaller(0, 31, { ours: 1, start: 1 })],
  ['TaskReporting', { type: 'list', accepted: ['RFC3720'] }],
  ['InitiatorAlias', { type: 'text' }],
  // Markers are gone from the protocol; No and Reject are what their last users understand.
  ['IFMarker', { type: 'boolean', result: 'and', ours: false, start: false }],
  ['OFMarker', { type: 'boolean', result: 'and', ours: false, start: false }],
  ['IFMarkInt', { type: 'refused' }],
  ['OFMarkInt', { type: 'refused' }],
  // Only a target says these, or only in the full feature phase.
  ['TargetAlias', { type: 'refused' }],
  ['TargetAddress', { type: 'refused' }],
  ['TargetPortalGroupTag', { type: 'refused' }],
  ['SendTargets', { type: 'refused' }],
]);

/** Keys that may be declared again in the full feature phase (use "ALL" in section 13). */
const ALWAYS_NEGOTIABLE: ReadonlySet<string> = new Set([
  'MaxRecvDataSegmentLength',
  'InitiatorAlias',
]);

/** What a peer answers to a declaration of ours; never an offer. */
const ANSWERS: ReadonlySet<string> = new Set(['NotUnderstood', 'Irrelevant', 'Reject']);

const REJECT = 'Reject';

/** The operational keys of one session: answers offers, remembers results. */
export class Negotiation {
  readonly #results = new Map<string, number | boolean | string>();
  readonly #seen = new Set<string>();

  /**
   * Answers one offered key. Returns the value to send back, undefined when the key is a
   * declaration that needs none, or 'again' when it was negotiated before in this login, which the
   * caller must take as an error of the initiator (RFC 7143 section 6.3).
   */
  offer(key: string, value: string): { readonly answer: string | undefined } | 'again' {
    if (this.#seen.has(key)) return 'again';
    this.#seen.add(key);
    return { answer: this.#negotiate(key, value) };
  }

  /** Answers one key in the full feature phase, where few may still change. */
  offerLater(key: string, value: string): string | undefined {
    if (ALWAYS_NEGOTIABLE.has(key)) return this.#negotiate(key, value);
    return OPERATIONAL_KEYS.has(key) ? REJECT : unknownAnswer(value);
  }

  parameters(): SessionParameters {
    return {
      maxRecvDataSegmentLength: this.#number('MaxRecvDataSegmentLength'),
      maxBurstLength: this.#number('MaxBurstLength'),
      firstBurstLength: this.#number('FirstBurstLength'),
      maxOutstandingR2T: this.#number('MaxOutstandingR2T'),
      initialR2T: this.#boolean('InitialR2T'),
      immediateData: this.#boolean('ImmediateData'),
      digests: {
        header: this.#results.get('HeaderDigest') === 'CRC32C',
        data: this.#results.get('DataDigest') === 'CRC32C',
      },
    };
  }

  #negotiate(key: string, value: string): string | undefined {
    const rule = OPERATIONAL_KEYS.get(key);
    if (rule === undefined) return unknownAnswer(value);
    if (ANSWERS.has(value)) return undefined;
    switch (rule.type) {
      case 'number':
        return this.#negotiateNumber(key, value, rule);
      case 'boolean':
        return this.#negotiateBoolean(key, value, rule);
      case 'list':
        return this.#choose(key, value, rule.accepted);
      case 'text':
        return undefined;
      case 'refused':
        return REJECT;
    }
  }

  #negotiateNumber(
    key: string,
    value: string,
    rule: Rule & { readonly type: 'number' },
  ): string | undefined {
    const offered = decodeNumber(value);
    if (offered === undefined || offered < rule.min || offered > rule.max) return REJECT;
    if (rule.result === 'declared') {
      this.#results.set(key, offered);
      return undefined;
    }
    const agreed =
      rule.result === 'smaller' ? Math.min(offered, rule.ours) : Math.max(offered, rule.ours);
    // Section 13.14; the other key may come later, and what is sent unasked is then too long.
    const fitting =
      key === 'FirstBurstLength' ? Math.min(agreed, this.#number('MaxBurstLength')) : agreed;
    this.#results.set(key, fitting);
    return String(fitting);
  }

  #negotiateBoolean(key: string, value: string, rule: Rule & { readonly type: 'boolean' }): string {
    if (value !== 'Yes' && value !== 'No') return REJECT;
    const offered = value === 'Yes';
    const agreed = rule.result === 'and' ? offered && rule.ours : offered || rule.ours;
    this.#results.set(key, agreed);
    return agreed ? 'Yes' : 'No';
  }

  /** The initiator's list is in the order of its preference (section 6.2.1). */
  #choose(key: string, value: string, accepted: readonly string[]): string {
    const choice = value.split(',').find((offered) => accepted.includes(offered));
    if (choice === undefined) return REJECT;
    this.#results.set(key, choice);
    return choice;
  }

  #number(key: string): number {
    const rule = OPERATIONAL_KEYS.get(key) as Rule & { readonly type: 'number' };
    return (this.#results.get(key) as number | undefined) ?? rule.start;
  }

  #boolean(key: string): boolean {
    const rule = OPERATIONAL_KEYS.get(key) as Rule & { readonly type: 'boolean' };
    return (this.#results.get(key) as boolean | undefined) ?? rule.start;
  }
}

/** What we declare of ourselves in the operational stage. */
export const OUR_DECLARATIONS: readonly (readonly [string, string])[] = [
  ['MaxRecvDataSegmentLength', String(MAX_RECV_DATA_SEGMENT_BYTES)],
];

function unknownAnswer(value: string): string | undefined {
  return ANSWERS.has(value) ? undefined : 'NotUnderstood';
}

function smaller(min: number, max: number, value: { ours: number; start: number }): Rule {
  return { type: 'number', min, max, result: 'smaller', ...value };
}
