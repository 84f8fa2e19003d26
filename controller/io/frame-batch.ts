import { ArenaPool } from '../../replica/common/arena-pool.ts';
import type { Lz4 } from '../../replica/common/lz4.ts';
import { FLAG, HEADER_BYTES } from '../../replica/protocol/constants.ts';
import { encodeFrameInPlace } from '../../replica/protocol/frame.ts';
import type { CopyIndex, SendEffect } from '../volume/step.ts';

const ARENA_BYTES = 1024 * 1024;

interface Slice {
  readonly arena: Buffer;
  readonly start: number;
  end: number;
}

/**
 * The frames of one turn, each encoded and compressed once, whatever the number of copies it goes
 * to. Frames that a copy gets one after the other lie side by side and leave as one buffer.
 */
export class FrameBatch {
  readonly #lz4: Lz4;
  /** By copy index. */
  #slices: Slice[][] = [];
  readonly #pool = new ArenaPool(ARENA_BYTES);
  #arena = this.#pool.next(undefined, ARENA_BYTES);
  #end = 0;

  constructor(lz4: Lz4) {
    this.#lz4 = lz4;
  }

  append(effect: SendEffect): void {
    const room = HEADER_BYTES + (effect.data?.length ?? 0);
    if (this.#end + room > this.#arena.length) {
      this.#arena = this.#pool.next(this.#arena, room);
      this.#end = 0;
    }
    const start = this.#end;
    this.#end = start + this.#encode(effect, start);
    for (let index = 0, copies = effect.copies; copies !== 0; index += 1, copies >>>= 1) {
      if ((copies & 1) !== 0) this.#addSlice(index, start);
    }
  }

  /** The buffers for each copy, in order; the batch is empty afterwards. */
  take(deliver: (copy: CopyIndex, buffers: Buffer[]) => void): void {
    for (let index = 0; index < this.#slices.length; index += 1) {
      const slices = this.#slices[index];
      if (slices === undefined || slices.length === 0) continue;
      deliver(
        index,
        slices.map(({ arena, start, end }) => arena.subarray(start, end)),
      );
      slices.length = 0;
    }
    this.#pool.handOver();
  }

  /** Everything taken so far has left this process. Only between `take` and the next `append`. */
  rewind(): void {
    this.#pool.reclaim();
    this.#end = 0;
  }

  /** Returns the bytes of the whole frame. */
  #encode(effect: SendEffect, at: number): number {
    const { data } = effect;
    if (data === undefined || data.length === 0) {
      encodeFrameInPlace(this.#arena, at, effect, 0);
      return HEADER_BYTES;
    }
    const payloadStart = at + HEADER_BYTES;
    if (!effect.isEncoded) {
      // One byte too little, so that "does not fit" means "is not smaller".
      const target = this.#arena.subarray(payloadStart, payloadStart + data.length - 1);
      const compressedBytes = this.#lz4.compress(data, target);
      if (compressedBytes > 0) {
        encodeFrameInPlace(this.#arena, at, effect, compressedBytes, FLAG.LZ4);
        return HEADER_BYTES + compressedBytes;
      }
    }
    data.copy(this.#arena, payloadStart);
    encodeFrameInPlace(this.#arena, at, effect, data.length);
    return HEADER_BYTES + data.length;
  }

  #addSlice(copy: CopyIndex, start: number): void {
    this.#slices[copy] ??= [];
    const slices = this.#slices[copy];
    const last = slices.at(-1);
    if (last !== undefined && last.arena === this.#arena && last.end === start)
      last.end = this.#end;
    else slices.push({ arena: this.#arena, start, end: this.#end });
  }
}
