import type { Frame } from '../protocol/frame.ts';

/** The requests of the present connection that wait for hot bits to be durable, in stream order. */
export class HeldFrames {
  #frames: Frame[] = [];
  /** Frames before this one have been taken out. */
  #head = 0;
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#head === this.#frames.length;
  }

  /** Payload that is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a copy, since the payload is a view on a buffer that is used again. */
  push(frame: Frame): void {
    this.#frames.push({ ...frame, payload: Buffer.from(frame.payload) });
    this.#bytes += frame.payload.length;
  }

  first(): Frame | undefined {
    return this.#frames[this.#head];
  }

  /** The first ones, as long as `belongs` says so of each. */
  leading(belongs: (frame: Frame, sofar: readonly Frame[]) => boolean): Frame[] {
    const leading: Frame[] = [];
    for (let at = this.#head; at < this.#frames.length; at += 1) {
      const frame = this.#frames[at]!;
      if (!belongs(frame, leading)) break;
      leading.push(frame);
    }
    return leading;
  }

  removeFirst(): void {
    this.#bytes -= this.#frames[this.#head]!.payload.length;
    this.#head += 1;
    if (this.isEmpty) this.clear();
  }

  /** The connection is gone: what was not carried out never will be (I4). */
  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
