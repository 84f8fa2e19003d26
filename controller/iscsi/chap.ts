import { assert } from '../../replica/common/assert.ts';
import type { ChapCredentials, ChapUser } from '../protocol/chap-credentials.ts';
import { decodeBinary, encodeBinary } from './chap-values.ts';
import type { LoginRefusal } from './login-refusals.ts';
import { decodeNumber, type TextPair } from './text-keys.ts';

export type ChapHash = 'md5' | 'sha1' | 'sha256' | 'sha3-256';

/** What CHAP needs of cryptography; the driver has it from node:crypto. */
export interface Cryptography {
  randomBytes(count: number): Buffer;
  hash(name: ChapHash, bytes: Buffer): Buffer;
  /** Of two buffers of one length; takes the same time wherever they differ. */
  isEqual(a: Buffer, b: Buffer): boolean;
}

interface ChapAlgorithm {
  readonly number: number;
  readonly hash: ChapHash;
  readonly digestBytes: number;
}

/** By their numbers in IANA's list "PPP Authentication Algorithms", the strongest first. */
const ALGORITHMS: readonly ChapAlgorithm[] = [
  { number: 8, hash: 'sha3-256', digestBytes: 32 },
  { number: 7, hash: 'sha256', digestBytes: 32 },
  { number: 6, hash: 'sha1', digestBytes: 20 },
  { number: 5, hash: 'md5', digestBytes: 16 },
];

/** What we asked the initiator to answer. */
interface Challenge {
  readonly algorithm: ChapAlgorithm;
  readonly identifier: number;
  /** As long as the digest: a shorter one would be the weakest part (RFC 1994 section 4.1). */
  readonly challenge: Buffer;
}

const IDENTIFIER_MAX = 255;

/**
 * CHAP in the security stage of one login (RFC 7143 section 12.1.3):
 *
 *   initiator  CHAP_A=5,7              target  CHAP_A=7 CHAP_I=… CHAP_C=…
 *   initiator  CHAP_N=… CHAP_R=…       target  nothing more: authenticated
 *        or …  CHAP_I=… CHAP_C=…       target  CHAP_N=… CHAP_R=…, mutual
 */
export class ChapExchange {
  readonly #credentials: ChapCredentials;
  readonly #cryptography: Cryptography;
  #challenge: Challenge | undefined;
  #isDone = false;

  constructor(credentials: ChapCredentials, cryptography: Cryptography) {
    assert(credentials.users.length > 0, 'CHAP has a user');
    this.#credentials = credentials;
    this.#cryptography = cryptography;
  }

  /** The initiator has proved who it is. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Takes the keys of one step. Returns the keys of the answer, or why the login ends. */
  take(pairs: readonly TextPair[]): TextPair[] | LoginRefusal {
    assert(!this.#isDone, 'an exchange that is done takes no more keys');
    const keys = new Map(pairs);
    if (keys.size < pairs.length) return 'protocol-error';
    return this.#challenge === undefined
      ? this.#makeChallenge(keys)
      : this.#verify(this.#challenge, keys);
  }

  #makeChallenge(keys: ReadonlyMap<string, string>): TextPair[] | LoginRefusal {
    const offer = keys.get('CHAP_A');
    if (offer === undefined) return keys.size === 0 ? 'missing-parameter' : 'protocol-error';
    if (keys.size > 1) return 'protocol-error';
    const numbers = offer.split(',').map(decodeNumber);
    if (numbers.includes(undefined)) return 'protocol-error';
    const algorithm = ALGORITHMS.find(({ number }) => numbers.includes(number));
    if (algorithm === undefined) return 'no-common-algorithm';
    const identifier = this.#cryptography.randomBytes(1)[0] as number;
    const challenge = this.#cryptography.randomBytes(algorithm.digestBytes);
    this.#challenge = { algorithm, identifier, challenge };
    return [
      ['CHAP_A', String(algorithm.number)],
      ['CHAP_I', String(identifier)],
      ['CHAP_C', encodeBinary(challenge)],
    ];
  }

  #verify(ours: Challenge, keys: ReadonlyMap<string, string>): TextPair[] | LoginRefusal {
    const step = readResponse(ours, keys);
    if (typeof step === 'string') return step;
    const { name, response, theirs } = step;
    if (theirs?.challenge.equals(ours.challenge)) return 'reflected';
    const { users, mutual } = this.#credentials;
    const user = users.find((candidate) => candidate.name === name);
    // Somebody's secret is hashed for a name that nobody has: it takes as long, and counts for nothing.
    const { secret } = user ?? (users[0] as ChapUser);
    const isRight = this.#isAnswerTo(ours, secret, response);
    const isReflected = mutual !== null && this.#isAnswerTo(ours, mutual.secret, response);
    if (isReflected) return 'reflected';
    if (!isRight || user === undefined) return 'wrong-credentials';
    // An initiator may ask for a proof or not: the target cannot demand that it does.
    if (theirs !== undefined && mutual === null) return 'no-mutual-credentials';
    this.#isDone = true;
    if (theirs === undefined || mutual === null) return [];
    const proof = this.#answerTo({ ...theirs, algorithm: ours.algorithm }, mutual.secret);
    return [
      ['CHAP_N', mutual.name],
      ['CHAP_R', encodeBinary(proof)],
    ];
  }

  #isAnswerTo(challenge: Challenge, secret: string, response: Buffer): boolean {
    return this.#cryptography.isEqual(this.#answerTo(challenge, secret), response);
  }

  /** RFC 1994 section 4.1: the hash over identifier, secret and challenge. */
  #answerTo({ algorithm, identifier, challenge }: Challenge, secret: string): Buffer {
    const bytes = Buffer.concat([Buffer.from([identifier]), Buffer.from(secret), challenge]);
    return this.#cryptography.hash(algorithm.hash, bytes);
  }
}

interface ChapResponse {
  readonly name: string;
  readonly response: Buffer;
  /** What the initiator wants answered; undefined when it wants no proof of the target. */
  readonly theirs: Omit<Challenge, 'algorithm'> | undefined;
}

/** The keys of the second step, each checked. */
function readResponse(
  { algorithm }: Challenge,
  keys: ReadonlyMap<string, string>,
): ChapResponse | LoginRefusal {
  const name = keys.get('CHAP_N');
  const answer = keys.get('CHAP_R');
  if (name === undefined || answer === undefined) return 'missing-parameter';
  const response = decodeBinary(answer);
  if (response?.length !== algorithm.digestBytes) return 'protocol-error';
  const identifierText = keys.get('CHAP_I');
  const challengeText = keys.get('CHAP_C');
  if (identifierText === undefined && challengeText === undefined) {
    return keys.size > 2 ? 'protocol-error' : { name, response, theirs: undefined };
  }
  if (identifierText === undefined || challengeText === undefined) return 'missing-parameter';
  const identifier = decodeNumber(identifierText);
  const challenge = decodeBinary(challengeText);
  const isWrong = identifier === undefined || identifier > IDENTIFIER_MAX;
  if (keys.size > 4 || isWrong || challenge === undefined) return 'protocol-error';
  return { name, response, theirs: { identifier, challenge } };
}
