import { assert } from '../../replica/common/assert.ts';
import { type ByteRange, mergeRanges } from '../../replica/common/ranges.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { SyncProgress } from '../protocol/status.ts';
import type { Copies, CopyEntry } from './copies.ts';
import type { IoPath } from './io-path.ts';
import { RangeCopier } from './range-copier.ts';
import type { CopyIndex, CopyMask, SendEffect, VolumeEffect } from './step.ts';

interface Job {
  readonly copier: RangeCopier;
  readonly startedMs: number;
  /** The last flush of a copy that received everything (I14); undefined before. */
  flushSeq: number | undefined;
}

/**
 * Everything that copies whole ranges between copies: making them identical at a start (I6), and
 * bringing a copy that is not in-sync up to date while the volume is in use (S36, S37).
 */
export class SyncJobs {
  readonly #io: IoPath;
  readonly #jobs = new Map<CopyIndex, Job>();
  #tail: readonly ByteRange[] = [];
  #equalising: RangeCopier | undefined;

  constructor(io: IoPath) {
    this.#io = io;
    io.locksRange = (start, end) => {
      for (const job of this.#jobs.values()) if (job.copier.locks(start, end)) return true;
      return false;
    };
  }

  // Equalising, before the volume serves.

  /** Ranges stay remembered until the start is through, also when a copy is lost on the way. */
  rememberTail(tail: readonly ByteRange[]): void {
    this.#tail = mergeRanges([...this.#tail, ...tail]);
  }

  startEqualising(copies: Copies, nowMs: number, effects: VolumeEffect[]): void {
    const source = this.#io.primary;
    assert(source !== undefined, 'the primary is chosen before the copies are equalised');
    const targets = copies.usable & ~source.bit;
    const ranges = targets === 0 ? [] : this.#tail;
    this.#equalising = new RangeCopier({ ranges, source: source.bit, targets });
    this.#fill(this.#equalising, nowMs, effects);
  }

  stopEqualising(): void {
    this.#equalising = undefined;
  }

  get isEqualised(): boolean {
    return this.#equalising?.isDone ?? false;
  }

  get equalisedBytes(): number {
    return this.#equalising?.totalBytes ?? 0;
  }

  // Syncing, while the volume is in use.

  /** Starts a full sync of every copy that the record lists as syncing and that is there. */
  start(copies: Copies, sizeBytes: number, nowMs: number, effects: VolumeEffect[]): void {
    const source = this.#io.primary;
    if (source === undefined || (source.bit & copies.usable) === 0) return;
    for (const entry of copies.entries) {
      if (!this.#isReady(entry, nowMs)) continue;
      // It gets every new write from this moment on, so nothing slips by between two regions.
      entry.isReceiving = true;
      copies.recount();
      const ranges = [{ start: 0, end: sizeBytes }];
      const copier = new RangeCopier({ ranges, source: source.bit, targets: entry.bit });
      this.#jobs.set(entry.index, { copier, startedMs: nowMs, flushSeq: undefined });
      this.#fill(copier, nowMs, effects);
    }
  }

  #isReady(entry: CopyEntry, nowMs: number): boolean {
    return (
      entry.record.state === 'syncing' &&
      entry.welcome !== undefined &&
      entry.welcome.dataId === entry.record.dataId &&
      entry.joining === 'no' &&
      entry.syncNotBeforeMs <= nowMs &&
      !this.#jobs.has(entry.index)
    );
  }

  /** A source answered. Returns false when the read was none of ours. */
  onRead(frame: Frame, nowMs: number, effects: VolumeEffect[]): boolean {
    const copier = this.#copiers().find((candidate) => candidate.owns(frame.seq));
    if (copier === undefined) return false;
    const sends: SendEffect[] = [];
    const request = { seq: this.#io.nextSeq(), stableSeq: this.#io.stableSeq, nowMs };
    copier.readDone(frame, request, sends);
    effects.push(...sends);
    return true;
  }

  /** A target wrote. Returns false when the write was none of ours. */
  onWritten(entry: CopyEntry, seq: number, nowMs: number, effects: VolumeEffect[]): boolean {
    if (this.#equalising === undefined && this.#jobs.size === 0) return false;
    if (this.#equalising?.owns(seq)) {
      this.#equalising.writeDone(seq, entry.bit);
      this.#fill(this.#equalising, nowMs, effects);
      return true;
    }
    const job = this.#jobs.get(entry.index);
    if (job === undefined || !job.copier.owns(seq)) return false;
    job.copier.writeDone(seq, entry.bit);
    this.#fill(job.copier, nowMs, effects);
    if (job.copier.isDone && job.flushSeq === undefined) {
      // From here on every acknowledgement waits for this copy, and the flush covers what was
      // acknowledged without it (I1, I14).
      entry.joining = 'flushing';
      job.flushSeq = this.#io.sendFlush(entry.bit, effects);
    }
    return true;
  }

  /** The last flush of a sync was answered: the copy may become in-sync. False if it is not ours. */
  onFlushed(entry: CopyEntry, seq: number): boolean {
    if (this.#jobs.get(entry.index)?.flushSeq !== seq) return false;
    this.#jobs.delete(entry.index);
    entry.joining = 'durable';
    return true;
  }

  /** A copy that was a target or a source of a sync is gone. */
  copyLost(lost: CopyEntry, copies: Copies, nowMs: number, effects: VolumeEffect[]): void {
    this.#jobs.delete(lost.index);
    const source = copies.entries.find((entry) => (entry.bit & copies.usable) !== 0);
    for (const [index, job] of [...this.#jobs]) {
      // One that has everything only waits for its flush and needs no source any more.
      if (job.copier.source !== lost.bit || job.copier.isDone) continue;
      if (source === undefined) {
        this.#jobs.delete(index);
        continue;
      }
      const sends: SendEffect[] = [];
      job.copier.changeSource(source.bit, () => this.#io.nextSeq(), nowMs, sends);
      effects.push(...sends);
    }
  }

  cancelAll(): void {
    this.#jobs.clear();
    this.#equalising = undefined;
  }

  /** Whether a region has waited for this copy since before `sinceMs`. */
  hasOverdue(copy: CopyMask, sinceMs: number): boolean {
    return this.#copiers().some((copier) => copier.hasOverdue(copy, sinceMs));
  }

  progressOf(entry: CopyEntry, nowMs: number): SyncProgress | undefined {
    const job = this.#jobs.get(entry.index);
    if (job === undefined) return undefined;
    const { doneBytes, totalBytes } = job.copier;
    const seconds = Math.max(nowMs - job.startedMs, 1) / 1000;
    const bytesPerSecond = Math.round(doneBytes / seconds);
    const etaSeconds = Math.ceil((totalBytes - doneBytes) / Math.max(bytesPerSecond, 1));
    return { doneBytes, totalBytes, bytesPerSecond, etaSeconds };
  }

  #copiers(): RangeCopier[] {
    const copiers = [...this.#jobs.values()].map((job) => job.copier);
    return this.#equalising === undefined ? copiers : [...copiers, this.#equalising];
  }

  #fill(copier: RangeCopier, nowMs: number, effects: VolumeEffect[]): void {
    const sends: SendEffect[] = [];
    copier.fill(() => this.#io.nextSeq(), nowMs, sends);
    effects.push(...sends);
  }
}
