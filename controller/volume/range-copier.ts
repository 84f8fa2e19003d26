import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import type { ByteRange } from '../../replica/common/ranges.ts';
import { FLAG, OPCODE } from '../../replica/protocol/constants.ts';
import { type Frame, NO_PAYLOAD } from '../../replica/protocol/frame.ts';
import type { CopyMask, SendEffect } from './step.ts';

/**
 * Moves ranges from one copy to others, region by region: read from the source, pass the answer on
 * as it came (compressed, or as a hole), wait for the targets. A region is locked from the moment
 * its read is sent until every target has answered; the volume holds new writes to it meanwhile,
 * so nothing newer can be overwritten (design section 5, "Sync").
 */
export class RangeCopier {
  #targets: CopyMask;
  readonly totalBytes: number;
  #doneBytes = 0;
  #source: CopyMask;
  #remaining: ByteRange[];
  #regions = new Map<number, Region>();

  constructor(options: { ranges: readonly ByteRange[]; source: CopyMask; targets: CopyMask }) {
    this.#source = options.source;
    this.#targets = options.targets;
    this.#remaining = [...options.ranges].reverse();
    this.totalBytes = options.ranges.reduce((sum, range) => sum + range.end - range.start, 0);
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  get isDone(): boolean {
    return this.#remaining.length === 0 && this.#regions.size === 0;
  }

  get source(): CopyMask {
    return this.#source;
  }

  /** Whether a region being copied touches `[start, end)`. */
  locks(start: number, end: number): boolean {
    for (const region of this.#regions.values()) {
      if (region.start < end && start < region.end) return true;
    }
    return false;
  }

  /** Whether this copy has owed an answer for a region since before `sinceMs`. */
  hasOverdue(copy: CopyMask, sinceMs: number): boolean {
    for (const { waiting, sentMs } of this.#regions.values()) {
      const owing = waiting === 0 ? this.#source : waiting;
      if (sentMs < sinceMs && (owing & copy) !== 0) return true;
    }
    return false;
  }

  /** Starts as many regions as the window allows. */
  fill(nextSeq: () => number, nowMs: number, sends: SendEffect[]): void {
    while (this.#regions.size < REGIONS_UNDER_WAY) {
      const range = this.#remaining.pop();
      if (range === undefined) return;
      const end = Math.min(range.end, regionEnd(range.start));
      if (end < range.end) this.#remaining.push({ start: end, end: range.end });
      this.#read({ start: range.start, end }, { seq: nextSeq(), nowMs, sends });
    }
  }

  /** The source is gone: whatever it had not answered is read from another copy. */
  changeSource(source: CopyMask, nextSeq: () => number, nowMs: number, sends: SendEffect[]): void {
    this.#source = source;
    for (const [seq, region] of [...this.#regions]) {
      if (region.waiting !== 0) continue;
      this.#regions.delete(seq);
      this.#read(region, { seq: nextSeq(), nowMs, sends });
    }
  }

  /** Whether `seq` is one of this copier's own requests. */
  owns(seq: number): boolean {
    return this.#regions.has(seq);
  }

  /** The source answered a region's read: passes it on to the targets. */
  readDone(
    frame: Frame,
    request: { seq: number; stableSeq: number; nowMs: number },
    sends: SendEffect[],
  ): void {
    const region = this.#regions.get(frame.seq);
    if (region === undefined || region.waiting !== 0) return;
    this.#regions.delete(frame.seq);
    this.#regions.set(request.seq, { ...region, waiting: this.#targets, sentMs: request.nowMs });
    const isHole = (frame.flags & FLAG.ZERO) !== 0;
    sends.push({
      kind: 'send',
      copies: this.#targets,
      opcode: isHole ? OPCODE.TRIM : OPCODE.WRITE,
      flags: isHole ? 0 : frame.flags & FLAG.LZ4,
      seq: request.seq,
      stableSeq: request.stableSeq,
      offset: region.start,
      length: region.end - region.start,
      // The payload is a view on the receive buffer, which is used again.
      data: isHole ? NO_PAYLOAD : Buffer.from(frame.payload),
      isEncoded: true,
    });
  }

  /** A target wrote a region. Returns true when the region is unlocked. */
  writeDone(seq: number, copy: CopyMask): boolean {
    const region = this.#regions.get(seq);
    if (region === undefined) return false;
    region.waiting &= ~copy;
    if (region.waiting !== 0) return false;
    this.#regions.delete(seq);
    this.#doneBytes += region.end - region.start;
    return true;
  }

  #read(range: ByteRange, request: { seq: number; nowMs: number; sends: SendEffect[] }): void {
    const region: Region = {
      start: range.start,
      end: range.end,
      waiting: 0,
      sentMs: request.nowMs,
    };
    this.#regions.set(request.seq, region);
    request.sends.push({
      kind: 'send',
      copies: this.#source,
      opcode: OPCODE.READ,
      flags: 0,
      seq: request.seq,
      stableSeq: 0,
      offset: range.start,
      length: range.end - range.start,
      data: undefined,
      isEncoded: false,
    });
  }
}

interface Region extends ByteRange {
  /** Targets that still owe the answer to the write; 0 while the source's read is awaited. */
  waiting: CopyMask;
  readonly sentMs: number;
}

/** One region: long enough to be efficient, short enough (about a millisecond) to hold writes for. */
const REGION_BYTES = 64 * BLOCK_BYTES;
/** Enough to keep source, controller and target busy; more would only hold more writes. */
const REGIONS_UNDER_WAY = 4;

function regionEnd(start: number): number {
  return (Math.floor(start / REGION_BYTES) + 1) * REGION_BYTES;
}
