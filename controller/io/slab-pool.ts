import type { PduMemory } from '../iscsi/framer.ts';

/** Large enough that few PDUs straddle two, small enough to stay in the CPU's cache. */
const SLAB_BYTES = 1024 * 1024;
/** What is cut from slabs; longer pieces are rare and get memory of their own. */
const MAX_PIECE_BYTES = SLAB_BYTES / 2;
/** Kept for the next burst. */
const MAX_FREE_SLABS = 16;

interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** Pieces handed out and not given back. */
  live: number;
}

/**
 * Memory for what initiators send, used again once the commands in it are done. Allocating it anew
 * for every read of a socket makes V8 collect the whole heap several times a second, which costs a
 * busy controller a fifth of its CPU.
 *
 * A slab is used again only when every piece of it was given back. A piece that never is (a command
 * that failed, a PDU that is no command) leaves its slab to the garbage collector: forgetting one
 * costs time, never data.
 */
export class SlabPool implements PduMemory {
  readonly #byMemory = new WeakMap<ArrayBufferLike, Slab>();
  #free: Slab[] = [];
  #current: Slab = this.#makeSlab();

  /** Memory of this length, its contents undefined, to be given back once. */
  allocate(bytes: number): Buffer {
    if (bytes > MAX_PIECE_BYTES) return Buffer.allocUnsafeSlow(bytes);
    if (this.#current.used + bytes > SLAB_BYTES) this.#takeNext();
    const slab = this.#current;
    slab.used += bytes;
    slab.live += 1;
    return slab.bytes.subarray(slab.used - bytes, slab.used);
  }

  /** The piece was cut into several: it is to be given back `more` times in addition. */
  retain(piece: Buffer, more: number): void {
    const slab = this.#byMemory.get(piece.buffer);
    if (slab !== undefined) slab.live += more;
  }

  /** Nobody will look at this piece, or write to it, any more. */
  giveBack(piece: Buffer): void {
    const slab = this.#byMemory.get(piece.buffer);
    if (slab === undefined) return;
    slab.live -= 1;
    if (slab.live > 0 || slab === this.#current) return;
    if (this.#free.length < MAX_FREE_SLABS) this.#free.push(slab);
  }

  #takeNext(): void {
    const full = this.#current;
    this.#current = full.live === 0 ? full : (this.#free.pop() ?? this.#makeSlab());
    this.#current.used = 0;
  }

  #makeSlab(): Slab {
    const slab: Slab = { bytes: Buffer.allocUnsafeSlow(SLAB_BYTES), used: 0, live: 0 };
    this.#byMemory.set(slab.bytes.buffer, slab);
    return slab;
  }
}
