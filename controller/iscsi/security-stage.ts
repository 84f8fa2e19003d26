import type { ChapCredentials } from '../protocol/chap-credentials.ts';
import { ChapExchange, type Cryptography } from './chap.ts';
import type { LoginRefusal } from './login-refusals.ts';
import type { TextPair } from './text-keys.ts';

const AUTH_METHOD = 'AuthMethod';

/** Keys that belong to the security stage and to no other (RFC 7143 section 12.1). */
export function isSecurityKey(key: string): boolean {
  return key === AUTH_METHOD || key.startsWith('CHAP_');
}

/** The security stage of one login: which method, and what the method needs. */
export class SecurityStage {
  readonly #chap: ChapCredentials | null;
  readonly #cryptography: Cryptography;
  #hasMethod = false;
  #exchange: ChapExchange | undefined;

  /** @param chap null: nobody has to prove anything */
  constructor(chap: ChapCredentials | null, cryptography: Cryptography) {
    this.#chap = chap;
    this.#cryptography = cryptography;
  }

  /** All that is required has been proved: the login may leave this stage. */
  get isPassed(): boolean {
    return this.#chap === null || this.#exchange?.isDone === true;
  }

  /** The initiator still has to prove something, and was told how. */
  get isUnderWay(): boolean {
    return this.#exchange?.isDone === false;
  }

  /** Takes the security keys of one text. Returns the answer to them, or why the login ends. */
  take(pairs: readonly TextPair[]): TextPair[] | LoginRefusal {
    if (this.#exchange?.isDone === false) return this.#exchange.take(pairs);
    const [pair] = pairs;
    if (pair === undefined) return [];
    const [key, value] = pair;
    // The initiator cannot know the method before we chose it, so it comes alone, and once.
    if (pairs.length > 1 || key !== AUTH_METHOD || this.#hasMethod) return 'protocol-error';
    this.#hasMethod = true;
    return this.#choose(value.split(','));
  }

  #choose(offered: readonly string[]): TextPair[] | LoginRefusal {
    if (this.#chap === null) {
      return offered.includes('None') ? [[AUTH_METHOD, 'None']] : 'no-common-method';
    }
    if (!offered.includes('CHAP')) return 'authentication-required';
    this.#exchange = new ChapExchange(this.#chap, this.#cryptography);
    return [[AUTH_METHOD, 'CHAP']];
  }
}
