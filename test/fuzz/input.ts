/**
 * Reads the choices that an input makes, one after the other. Any bytes are a valid input: beyond
 * their end everything is 0, so that an input can be cut anywhere while a failure is shrunk.
 */
export class InputReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return byte;
  }

  /** A whole number in `[0, limit)`; `limit` is at most 2^24. */
  below(limit: number): number {
    return ((this.byte() << 16) | (this.byte() << 8) | this.byte()) % limit;
  }

  /** As many bytes as there are, up to `count`. */
  bytes(count: number): Buffer {
    const bytes = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return bytes;
  }

  /** Bytes behind their length, which takes two bytes. */
  counted(): Buffer {
    return this.bytes((this.byte() << 8) | this.byte());
  }

  rest(): Buffer {
    return this.bytes(Math.max(0, this.#bytes.length - this.#at));
  }
}

/** What `InputReader.counted` reads; `bytes` has at most 65535. */
export function counted(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
