import { OPCODE, STATUS } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { Copies, CopyEntry } from './copies.ts';
import { type FrameNumbers, makeControl } from './frames.ts';
import { notice } from './notices.ts';
import type { VolumeEffect } from './step.ts';

/**
 * Makes the copies as large as the volume is to be (design section 5, "Size"). Each does so durably
 * before it answers; when all that take writes have, the record says so, and then the initiators
 * are told. Until then nobody uses the new end.
 */
export class Growth {
  readonly #copies: Copies;
  readonly #numbers: FrameNumbers;
  readonly #retryMs: number;
  /** As the volume is to be. */
  wantedBytes = 0;

  /** @param retryMs a copy that could not grow is asked again after this */
  constructor(copies: Copies, numbers: FrameNumbers, retryMs: number) {
    this.#copies = copies;
    this.#numbers = numbers;
    this.#retryMs = retryMs;
  }

  /** Asks each copy that is there and too small, once. */
  ask(nowMs: number, effects: VolumeEffect[]): void {
    const { wantedBytes } = this;
    for (const entry of this.#copies.entries) {
      const isDue = entry.welcome !== undefined && entry.sizeBytes < wantedBytes;
      if (!isDue || entry.growing !== undefined || entry.growNotBeforeMs > nowMs) continue;
      const range = { start: wantedBytes, end: wantedBytes };
      const question = makeControl(this.#numbers, OPCODE.RESIZE, entry.bit, range);
      entry.growing = { seq: question.seq, sizeBytes: wantedBytes };
      effects.push(question);
    }
  }

  /**
   * Returns whether it was the answer to a RESIZE. A copy without room stays what it was: it holds
   * all that the volume has.
   */
  onReply(entry: CopyEntry, frame: Frame, nowMs: number, effects: VolumeEffect[]): boolean {
    const growing = entry.growing;
    if (growing?.seq !== frame.seq) return false;
    entry.growing = undefined;
    if (frame.status === STATUS.OK) {
      entry.sizeBytes = Math.max(entry.sizeBytes, growing.sizeBytes);
      return true;
    }
    entry.growNotBeforeMs = nowMs + this.#retryMs;
    const { replicaId, record } = entry;
    const fields = { replica: replicaId, node: record.node, bytes: growing.sizeBytes };
    const advice = 'free space there, or set the size back';
    effects.push(notice('copy cannot grow', { ...fields, advice }));
    return true;
  }

  /** The size that every copy has that is in-sync or takes writes, if all of them are there. */
  commonBytes(): number {
    let common = this.wantedBytes;
    for (const entry of this.#copies.entries) {
      const counts = entry.record.state === 'in-sync' || entry.isReceiving;
      if (!counts && entry.joining === 'no') continue;
      const isSound = entry.welcome !== undefined && !entry.mustLeave;
      common = Math.min(common, isSound ? entry.sizeBytes : 0);
    }
    return common;
  }
}
