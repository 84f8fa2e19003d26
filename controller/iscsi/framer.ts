import { ahsBytesOf, BHS_BYTES, dataBytesOf, NO_BYTES, padded } from './bhs.ts';
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

/**
 * Cuts a byte stream into PDUs. Feeding it one byte at a time or all at once gives the same PDUs.
 *
 *   BHS (48)  AHS (4 × TotalAHSLength)  [header digest]  data, padded to 4  [data digest]
 *
 * Digests are negotiated to None, so both are 0 bytes; they would be counted in `#measure` and
 * checked in `#cut`. The PDUs that lie within one chunk are copied out of it together; one that
 * spans chunks is gathered into a buffer of its own once its header (and so its capped length, I11)
 * is known. Either way a PDU owns its bytes, and the chunk may be used again.
 */
export class PduFramer {
  readonly #maxDataBytes: number;
  readonly #memory: PduMemory;
  #header = Buffer.alloc(BHS_BYTES);
  #headerBytes = 0;
  #gathering: { readonly bytes: Buffer; filled: number } | undefined;

  /** @param maxDataBytes what we declare as MaxRecvDataSegmentLength */
  constructor(maxDataBytes: number, memory: PduMemory = PLAIN_MEMORY) {
    this.#maxDataBytes = maxDataBytes;
    this.#memory = memory;
  }

  /**
   * Appends the PDUs that `chunk` completes to `pdus`.
   *
   * Errors: returns the reason when the stream is unusable; the connection must then be closed and
   * the framer dropped.
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
      if (whole.end > at) this.#cutAll(chunk.subarray(at, whole.end), pdus);
      if (whole.next === undefined || typeof whole.next === 'string') {
        if (whole.next === undefined) this.#headerBytes = chunk.copy(this.#header, 0, whole.end);
        return whole.next;
      }
      this.#startGathering(whole.next, chunk, whole.end);
      return undefined;
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

  /** `whole` holds whole PDUs and nothing else. */
  #cutAll(whole: Buffer, pdus: Pdu[]): void {
    const owned = this.#memory.allocate(whole.length);
    whole.copy(owned);
    let count = 0;
    for (let at = 0; at < owned.length; count += 1) {
      pdus.push(this.#cut(owned, at));
      at += this.#measure(owned, at) as number;
    }
    this.#memory.retain(owned, count - 1);
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
    const gathering = this.#gathering;
    if (gathering !== undefined && gathering.filled === gathering.bytes.length) {
      this.#gathering = undefined;
      pdus.push(this.#cut(gathering.bytes, 0));
    }
    return taken;
  }

  #startGathering(totalBytes: number, from: Buffer, at: number): void {
    const bytes = this.#memory.allocate(totalBytes);
    this.#gathering = { bytes, filled: from.copy(bytes, 0, at) };
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
    return BHS_BYTES + ahsBytes + padded(dataBytes);
  }

  #cut(bytes: Buffer, at: number): Pdu {
    const ahsEnd = at + BHS_BYTES + ahsBytesOf(bytes, at);
    const dataBytes = dataBytesOf(bytes, at);
    return {
      header: bytes.subarray(at, at + BHS_BYTES),
      ahs: ahsEnd === at + BHS_BYTES ? NO_BYTES : bytes.subarray(at + BHS_BYTES, ahsEnd),
      data: dataBytes === 0 ? NO_BYTES : bytes.subarray(ahsEnd, ahsEnd + dataBytes),
    };
  }
}
