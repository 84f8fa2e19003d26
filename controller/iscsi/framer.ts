import { ahsBytesOf, BHS_BYTES, dataBytesOf, NO_BYTES, padded } from './bhs.ts';
import { DIGEST_BYTES, type Digests, isDigestRight, NO_DIGESTS } from './digest.ts';
import { MAX_AHS_BYTES } from './limits.ts';
import type { Pdu } from './step.ts';

/** Where the framer puts what it received. */
export interface PduMemory {
  allocate(bytes: number): Buffer;
  /** `piece`, as it was allocated, now holds `more` PDUs beside the first. */
  retain(piece: Buffer, more: number): void;
}

const PLAIN_MEMORY: PduMemory = {
  allocate: (bytes) => Buffer.allocUnsafe(bytes),
  retain: () => undefined,
};

/** A PDU that goes on in the next chunk. */
interface Gathering {
  readonly bytes: Buffer;
  filled: number;
  /** Its length can be believed: the digest of its header was right, or there is none. */
  isChecked: boolean;
}

/**
 * Cuts a byte stream into PDUs. Feeding it one byte at a time or all at once gives the same PDUs.
 *
 *   BHS (48)  AHS (4 × TotalAHSLength)  [header digest]  data, padded to 4  [data digest]
 *
 * A digest is 4 bytes (section 13.1); a PDU without data has no data digest. The PDUs that lie
 * within one chunk are copied out of it together; one that spans chunks is gathered into a buffer
 * of its own once its header (and so its capped length, I11) is known. Either way a PDU owns its
 * bytes, and the chunk may be used again.
 */
export class PduFramer {
  #maxDataBytes: number;
  #memory: PduMemory;
  #digests = NO_DIGESTS;
  #header = Buffer.alloc(BHS_BYTES);
  #headerBytes = 0;
  #gathering: Gathering | undefined;

  /** @param maxDataBytes the largest data segment that is taken until something else is agreed */
  constructor(maxDataBytes: number, memory: PduMemory = PLAIN_MEMORY) {
    this.#maxDataBytes = maxDataBytes;
    this.#memory = memory;
  }

  /**
   * The login is over: what was agreed holds for all that comes from now on.
   *
   * Errors: returns the reason when a PDU has begun already, whose sender cannot have known.
   */
  enterFullFeature(agreed: {
    maxDataBytes: number;
    digests: Digests;
    memory?: PduMemory;
  }): string | undefined {
    if (this.#gathering !== undefined || this.#headerBytes > 0) {
      return 'PDU sent before the login was answered';
    }
    this.#maxDataBytes = agreed.maxDataBytes;
    this.#digests = agreed.digests;
    this.#memory = agreed.memory ?? PLAIN_MEMORY;
    return undefined;
  }

  /**
   * Appends the PDUs that `chunk` completes to `pdus`.
   *
   * Errors: returns the reason when the stream is unusable, because a length is beyond its limit or
   * a header is not what its digest says (section 7.8: where the next PDU begins is then unknown);
   * the connection must then be closed and the framer dropped. PDUs before that are in `pdus`.
   */
  push(chunk: Buffer, pdus: Pdu[]): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#gathering !== undefined || this.#headerBytes > 0) {
        const taken = this.#continue(chunk, at, pdus);
        if (typeof taken === 'string') return taken;
        at += taken;
        continue;
      }
      const whole = this.#measureWhole(chunk, at);
      if (whole.end > at) {
        const fault = this.#cutAll(chunk.subarray(at, whole.end), pdus);
        if (fault !== undefined) return fault;
      }
      if (whole.next === undefined || typeof whole.next === 'string') {
        if (whole.next === undefined) this.#headerBytes = chunk.copy(this.#header, 0, whole.end);
        return whole.next;
      }
      this.#startGathering(whole.next, chunk, whole.end);
      return this.#checkGathered();
    }
    return undefined;
  }

  /**
   * Where the PDUs that lie within the chunk end, and what follows: the length of one that goes on
   * in the next chunk, why it cannot be believed, or undefined while its header is not there.
   */
  #measureWhole(chunk: Buffer, start: number): { end: number; next: number | string | undefined } {
    let end = start;
    while (chunk.length - end >= BHS_BYTES) {
      const total = this.#measure(chunk, end);
      if (typeof total === 'string' || chunk.length - end < total) return { end, next: total };
      end += total;
    }
    return { end, next: undefined };
  }

  /** `whole` holds whole PDUs and nothing else, as far as their headers can be believed. */
  #cutAll(whole: Buffer, pdus: Pdu[]): string | undefined {
    const owned = this.#memory.allocate(whole.length);
    whole.copy(owned);
    let count = 0;
    for (let at = 0; at < owned.length; count += 1) {
      const fault = this.#checkHeader(owned, at);
      if (fault !== undefined) return fault;
      pdus.push(this.#cut(owned, at));
      at += this.#measure(owned, at) as number;
    }
    this.#memory.retain(owned, count - 1);
    return undefined;
  }

  /** Takes more bytes of a PDU that began in an earlier chunk; returns how many. */
  #continue(chunk: Buffer, at: number, pdus: Pdu[]): number | string {
    let taken: number;
    if (this.#gathering === undefined) {
      taken = chunk.copy(this.#header, this.#headerBytes, at);
      this.#headerBytes += taken;
      if (this.#headerBytes < BHS_BYTES) return taken;
      const total = this.#measure(this.#header, 0);
      if (typeof total === 'string') return total;
      this.#startGathering(total, this.#header, 0);
      this.#headerBytes = 0;
    } else {
      taken = chunk.copy(this.#gathering.bytes, this.#gathering.filled, at);
      this.#gathering.filled += taken;
    }
    const fault = this.#checkGathered();
    if (fault !== undefined) return fault;
    const gathering = this.#gathering;
    if (gathering !== undefined && gathering.filled === gathering.bytes.length) {
      this.#gathering = undefined;
      pdus.push(this.#cut(gathering.bytes, 0));
    }
    return taken;
  }

  #startGathering(totalBytes: number, from: Buffer, at: number): void {
    const bytes = this.#memory.allocate(totalBytes);
    const filled = from.copy(bytes, 0, at);
    this.#gathering = { bytes, filled, isChecked: !this.#digests.header };
  }

  /** A wrong header is told as soon as its digest is there: its length may promise data in vain. */
  #checkGathered(): string | undefined {
    const gathering = this.#gathering;
    if (gathering === undefined || gathering.isChecked) return undefined;
    const { bytes, filled } = gathering;
    if (filled < BHS_BYTES + ahsBytesOf(bytes, 0) + DIGEST_BYTES) return undefined;
    gathering.isChecked = true;
    return this.#checkHeader(bytes, 0);
  }

  #checkHeader(bytes: Buffer, at: number): string | undefined {
    if (!this.#digests.header) return undefined;
    const end = at + BHS_BYTES + ahsBytesOf(bytes, at);
    return isDigestRight(bytes, end, bytes.subarray(at, end)) ? undefined : HEADER_DIGEST_ERROR;
  }

  /** Bytes of the whole PDU whose header is at `at`, or why they cannot be believed. */
  #measure(bytes: Buffer, at: number): number | string {
    const ahsBytes = ahsBytesOf(bytes, at);
    if (ahsBytes > MAX_AHS_BYTES) {
      return `additional header segments of ${ahsBytes} bytes, limit ${MAX_AHS_BYTES}`;
    }
    const dataBytes = dataBytesOf(bytes, at);
    if (dataBytes > this.#maxDataBytes) {
      return `data segment of ${dataBytes} bytes, limit ${this.#maxDataBytes}`;
    }
    const headerBytes = BHS_BYTES + ahsBytes + (this.#digests.header ? DIGEST_BYTES : 0);
    if (dataBytes === 0) return headerBytes;
    return headerBytes + padded(dataBytes) + (this.#digests.data ? DIGEST_BYTES : 0);
  }

  #cut(bytes: Buffer, at: number): Pdu {
    const ahsEnd = at + BHS_BYTES + ahsBytesOf(bytes, at);
    const dataStart = ahsEnd + (this.#digests.header ? DIGEST_BYTES : 0);
    const dataBytes = dataBytesOf(bytes, at);
    return {
      header: bytes.subarray(at, at + BHS_BYTES),
      ahs: ahsEnd === at + BHS_BYTES ? NO_BYTES : bytes.subarray(at + BHS_BYTES, ahsEnd),
      data: dataBytes === 0 ? NO_BYTES : bytes.subarray(dataStart, dataStart + dataBytes),
      isDamaged: this.#digests.data && dataBytes > 0 && isDamaged(bytes, dataStart, dataBytes),
    };
  }
}

const HEADER_DIGEST_ERROR = 'header digest error';

/** Whether data and padding differ from what the digest behind them says. */
function isDamaged(bytes: Buffer, start: number, dataBytes: number): boolean {
  const end = start + padded(dataBytes);
  return !isDigestRight(bytes, end, bytes.subarray(start, end));
}
