import { NO_BYTES } from './bhs.ts';
import { MAX_TEXT_BYTES } from './limits.ts';

/** One `key=value` pair of a login or text exchange (RFC 7143 section 6.1). */
export type TextPair = readonly [key: string, value: string];

/** Key names have at most 63 bytes (section 6.1). */
const MAX_KEY_LENGTH = 63;
/** Values that are longer than this are not text values of any key we know. */
const MAX_VALUE_LENGTH = 8192;

/** The pairs of a complete text, or undefined when it is not made of `key=value` and NULs. */
export function decodeText(text: Buffer): TextPair[] | undefined {
  const pairs: TextPair[] = [];
  for (const entry of text.toString('utf8').split('\0')) {
    if (entry === '') continue; // the end of the text, or padding that was counted as data
    const equals = entry.indexOf('=');
    if (equals < 1 || equals > MAX_KEY_LENGTH) return undefined;
    if (entry.length - equals - 1 > MAX_VALUE_LENGTH) return undefined;
    pairs.push([entry.slice(0, equals), entry.slice(equals + 1)]);
  }
  return pairs;
}

export function encodeText(pairs: readonly TextPair[]): Buffer {
  if (pairs.length === 0) return NO_BYTES;
  return Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(''), 'utf8');
}

/** A number, decimal or 0x hexadecimal (section 6.1); undefined for anything else. */
export function decodeNumber(value: string): number | undefined {
  return /^(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})$/.test(value) ? Number(value) : undefined;
}

/** A text that arrives over several PDUs (C bit) and an answer that leaves over several. */
export class TextExchange {
  #incoming: Buffer[] = [];
  #incomingBytes = 0;
  #outgoing: Buffer = NO_BYTES;

  /**
   * Takes the text of one PDU. Returns the whole text once the last part is there, 'more' until
   * then, and 'too-long' beyond `MAX_TEXT_BYTES`.
   */
  gather(part: Buffer, isContinued: boolean): Buffer | 'more' | 'too-long' {
    this.#incomingBytes += part.length;
    if (this.#incomingBytes > MAX_TEXT_BYTES) return 'too-long';
    if (isContinued) {
      // Copied: a one-byte view would keep its whole receive buffer alive between PDUs.
      if (part.length > 0) this.#incoming.push(Buffer.from(part));
      return 'more';
    }
    const text = this.#incoming.length === 0 ? part : Buffer.concat([...this.#incoming, part]);
    this.#incoming = [];
    this.#incomingBytes = 0;
    return text;
  }

  /** Whether an answer is still going out, so that only empty requests may come in. */
  get isAnswering(): boolean {
    return this.#outgoing.length > 0;
  }

  answer(text: Buffer): void {
    this.#outgoing = text;
  }

  /** The next part of the answer, at most `maxBytes`; empty when nothing is left. */
  takeAnswer(maxBytes: number): Buffer {
    const part = this.#outgoing.subarray(0, maxBytes);
    this.#outgoing = this.#outgoing.subarray(part.length);
    return part;
  }
}
