import { HEADER_BYTES } from './constants.ts';
import { checkHeader, decodeFrame, type Frame, NO_PAYLOAD } from './frame.ts';

/**
 * Cuts a byte stream into frames. Feeding it one byte at a time or all at once gives the same
 * frames. A frame that lies within one chunk is not copied; a frame that spans chunks is gathered
 * once its header (and so its capped length, I11) is known.
 */
export class FrameDecoder {
  /**
   * What is gathered into. Two, by turns: one push may complete a frame and begin another, and the
   * payload of the first is used until the next push.
   */
  readonly #room: [Buffer, Buffer] = [NO_PAYLOAD, NO_PAYLOAD];
  #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #gathering: { readonly frame: Buffer; filled: number } | undefined;

  /**
   * Appends the frames that `chunk` completes to `frames`. Their payloads are views on `chunk` or on
   * memory of the decoder, valid until the next call.
   *
   * Errors: returns the reason when the stream is not our protocol; the connection must then be
   * closed and the decoder dropped.
   */
  push(chunk: Buffer, frames: Frame[]): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#gathering !== undefined || this.#headerBytes > 0) {
        const taken = this.#continue(chunk, at, frames);
        if (typeof taken === 'string') return taken;
        at += taken;
        continue;
      }
      const available = chunk.length - at;
      if (available < HEADER_BYTES) {
        this.#headerBytes = chunk.copy(this.#header, 0, at);
        return undefined;
      }
      const checked = checkHeader(chunk, at);
      if (!checked.ok) return checked.reason;
      const total = HEADER_BYTES + checked.payloadBytes;
      if (available < total) {
        this.#startGathering(total, chunk, at);
        return undefined;
      }
      const frame = decodeFrame(chunk, at, checked.payloadBytes);
      if (frame === undefined) return 'checksum does not hold';
      frames.push(frame);
      at += total;
    }
    return undefined;
  }

  /** Takes more bytes of a frame that began in an earlier chunk; returns how many. */
  #continue(chunk: Buffer, at: number, frames: Frame[]): number | string {
    if (this.#gathering === undefined) {
      const taken = chunk.copy(this.#header, this.#headerBytes, at);
      this.#headerBytes += taken;
      if (this.#headerBytes < HEADER_BYTES) return taken;
      const checked = checkHeader(this.#header, 0);
      if (!checked.ok) return checked.reason;
      this.#startGathering(HEADER_BYTES + checked.payloadBytes, this.#header, 0);
      this.#headerBytes = 0;
      return this.#finishIfWhole(frames) ?? taken;
    }
    const gathering = this.#gathering;
    const taken = chunk.copy(gathering.frame, gathering.filled, at);
    gathering.filled += taken;
    return this.#finishIfWhole(frames) ?? taken;
  }

  #startGathering(totalBytes: number, from: Buffer, at: number): void {
    if (this.#room[0].length < totalBytes) this.#room[0] = Buffer.allocUnsafeSlow(totalBytes);
    const frame = this.#room[0].subarray(0, totalBytes);
    this.#room.reverse();
    this.#gathering = { frame, filled: from.copy(frame, 0, at) };
  }

  /** Emits the gathered frame when all of it is there; returns the reason when it is damaged. */
  #finishIfWhole(frames: Frame[]): string | undefined {
    const gathering = this.#gathering;
    if (gathering === undefined || gathering.filled < gathering.frame.length) return undefined;
    this.#gathering = undefined;
    const frame = decodeFrame(gathering.frame, 0, gathering.frame.length - HEADER_BYTES);
    if (frame === undefined) return 'checksum does not hold';
    frames.push(frame);
    return undefined;
  }
}
