import { ArenaPool } from '../common/arena-pool.ts';
import { HEADER_BYTES } from '../protocol/constants.ts';
import { encodeFrameInPlace, type FrameFields } from '../protocol/frame.ts';

const ARENA_BYTES = 256 * 1024;

/**
 * Gathers the replies of one turn side by side, so that they leave with one system call. What was
 * handed out by `take` belongs to the socket, and is not written again before `rewind`. Until then
 * the rest of the arena goes on being filled, and another one is taken when it is full.
 */
export class SendArena {
  readonly #pool = new ArenaPool(ARENA_BYTES);
  #arena: Buffer | undefined;
  #start = 0;
  #end = 0;
  #full: Buffer[] = [];

  /**
   * Room for the payload of the next frame, `bytes` long. Valid until the next call of any method;
   * fill it from its start and then call `append` with what was used of it.
   */
  reserve(bytes: number): Buffer {
    const arena = this.#roomFor(HEADER_BYTES + bytes);
    const at = this.#end + HEADER_BYTES;
    return arena.subarray(at, at + bytes);
  }

  /** Adds a frame whose payload is the first `payloadBytes` of what was reserved last. */
  append(fields: FrameFields, payloadBytes = 0): void {
    const frameBytes = HEADER_BYTES + payloadBytes;
    encodeFrameInPlace(this.#roomFor(frameBytes), this.#end, fields, payloadBytes);
    this.#end += frameBytes;
  }

  /** What was appended since the last call, in order; mostly one buffer. */
  take(): Buffer[] {
    this.#seal();
    const taken = this.#full;
    this.#full = [];
    this.#pool.handOver();
    return taken;
  }

  /** Everything taken so far has left this process. */
  rewind(): void {
    this.#pool.reclaim();
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    }
  }

  #roomFor(bytes: number): Buffer {
    if (this.#arena === undefined || this.#end + bytes > this.#arena.length) {
      this.#seal();
      this.#arena = this.#pool.next(this.#arena, bytes);
      this.#start = 0;
      this.#end = 0;
    }
    return this.#arena;
  }

  #seal(): void {
    if (this.#arena === undefined || this.#end === this.#start) return;
    this.#full.push(this.#arena.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}
