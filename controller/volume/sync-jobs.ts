import { assert } from '../../replica/common/assert.ts';
import { MAX_TRIM_BYTES } from '../../replica/common/limits.ts';
import { type ByteRange, bytesIn, mergeRanges } from '../../replica/common/ranges.ts';
import { FLAG, OPCODE } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { SyncProgress } from '../protocol/status.ts';
import { type CopyEntry, endRestart } from './copies.ts';
import { CopySync, type SyncContext } from './copy-sync.ts';
import { makeControl, makeMark, makeStore } from './frames.ts';
import type { IoPath } from './io-path.ts';
import type { CopyIndex, CopyMask, VolumeEffect } from './step.ts';
import { planRanges, wholeRegions } from './sync-plan.ts';

/** When something happens, and where what follows from it goes. */
export interface Turn {
  readonly nowMs: number;
  readonly effects: VolumeEffect[];
}

interface Job {
  readonly sync: CopySync;
  readonly startedMs: number;
  /** The CHECKPOINT of a copy that received everything (I14); undefined before. */
  checkpointSeq: number | undefined;
  checkpointSentMs: number;
  /** While initiators are busy, the next piece waits until then. */
  pausedUntilMs: number;
}

/** Enough to keep source, controller and target busy; more would only hold more writes. */
const PIECES_WHEN_IDLE = 16;
/** Initiators that were active so recently are not to notice a sync (S37). */
const BUSY_MS = 100;
/** While they are busy: after a piece that took t, the sync rests for this many times t. */
const REST_FACTOR = 2;

/**
 * Everything that makes copies equal: at a start before the volume serves (I6), and bringing a copy
 * that is not in-sync up to date while the volume is in use (S36, S37).
 */
export class SyncJobs {
  readonly #io: IoPath;
  readonly #jobs = new Map<CopyIndex, Job>();
  /** By target, before the volume serves. */
  readonly #equalising = new Map<CopyIndex, CopySync>();
  #isEqualising = false;
  #tail: readonly ByteRange[] = [];
  equalisedBytes = 0;
  /** Of the volume. */
  sizeBytes = 0;
  /** As large as it is to be: a copy must be that before it gets writes. */
  wantedBytes = 0;

  constructor(io: IoPath) {
    this.#io = io;
    io.locksRange = (start, end) => {
      for (const { sync } of this.#jobs.values()) if (sync.locks(start, end)) return true;
      return false;
    };
  }

  // Equalising, before the volume serves.

  /** Ranges stay remembered until the start is through, also when a copy is lost on the way. */
  rememberTail(tail: readonly ByteRange[]): void {
    this.#tail = mergeRanges([...this.#tail, ...tail]);
  }

  startEqualising(turn: Turn): void {
    const { copies } = this.#io;
    const source = this.#io.primary;
    assert(source !== undefined, 'the primary is chosen before the copies are equalised');
    this.stopEqualising();
    this.#isEqualising = true;
    this.#tail = mergeRanges(this.#tail.map((range) => wholeRegions(range, this.sizeBytes)));
    const tasks = planRanges(this.#tail);
    this.equalisedBytes = bytesIn(tasks);
    for (const entry of copies.entries) {
      if (entry === source || (entry.bit & copies.usable) === 0) continue;
      const sync = new CopySync({
        source: source.bit,
        target: entry.bit,
        work: { kind: 'pieces', tasks },
      });
      this.#equalising.set(entry.index, sync);
      sync.fill(PIECES_WHEN_IDLE, this.#context(turn));
    }
  }

  stopEqualising(): void {
    this.#equalising.clear();
    this.#isEqualising = false;
  }

  get isEqualised(): boolean {
    if (!this.#isEqualising) return false;
    for (const sync of this.#equalising.values()) if (!sync.isDone) return false;
    return true;
  }

  /** All staying copies are equal: what was in doubt gets the newest stamp, for whoever is away. */
  finishEqualising(effects: VolumeEffect[]): void {
    const { copies } = this.#io;
    for (const { start, end } of this.#tail) {
      for (let at = start; at < end; at += MAX_TRIM_BYTES) {
        const range = { start: at, end: Math.min(at + MAX_TRIM_BYTES, end) };
        effects.push(makeMark(this.#io, copies.usable, range, { flags: FLAG.ASSIGN }));
      }
    }
    this.#tail = [];
    this.stopEqualising();
  }

  // Syncing, while the volume is in use.

  /** Starts a sync of every copy that the record lists as syncing and that is there. */
  start(turn: Turn): void {
    const { copies, primary: source } = this.#io;
    if (source === undefined || (source.bit & copies.usable) === 0) return;
    for (const entry of copies.entries) {
      if (!this.#isReady(entry, turn.nowMs)) continue;
      // It gets every new write from this moment on, so nothing slips by between two regions.
      entry.isReceiving = true;
      copies.recount();
      this.#begin(entry, source.bit, turn);
    }
  }

  #begin(entry: CopyEntry, source: CopyMask, turn: Turn): void {
    const { sizeBytes } = this;
    const { generation } = entry.record;
    turn.effects.push(makeStore(this.#io, entry.bit, this.#io.attribute));
    // The record says so by generation 0: whatever it holds is compared now.
    assert(generation === 0 || !entry.hasUnknownContent, 'a sync starts from what is known');
    entry.hasUnknownContent = false;
    const isPristine = entry.welcome?.isPristine === true;
    const work = { kind: 'volume', sizeBytes, known: { generation, isPristine } } as const;
    const sync = new CopySync({ source, target: entry.bit, work });
    const times = { startedMs: turn.nowMs, checkpointSentMs: 0, pausedUntilMs: 0 };
    const job: Job = { sync, checkpointSeq: undefined, ...times };
    this.#jobs.set(entry.index, job);
    this.#advance(entry, job, turn);
  }

  #isReady(entry: CopyEntry, nowMs: number): boolean {
    return (
      entry.record.state === 'syncing' &&
      entry.welcome !== undefined &&
      entry.welcome.dataId === entry.record.dataId &&
      !entry.isUnwanted &&
      entry.joining === 'no' &&
      entry.syncNotBeforeMs <= nowMs &&
      entry.sizeBytes >= this.wantedBytes &&
      !this.#jobs.has(entry.index)
    );
  }

  /** Whether an answer belongs to a sync. Asked for every answer, so quick when there is none. */
  owns(entry: CopyEntry, seq: number): boolean {
    if (this.#equalising.size === 0 && this.#jobs.size === 0) return false;
    return this.#findEqualising(seq) !== undefined || this.#findJob(entry, seq) !== undefined;
  }

  /** An answer that `owns` knows. Returns false when it makes no sense. */
  onReply(entry: CopyEntry, frame: Frame, turn: Turn): boolean {
    const equalising = this.#findEqualising(frame.seq);
    if (equalising !== undefined) {
      const isSound = equalising.onReply(entry, frame, this.#context(turn));
      equalising.fill(PIECES_WHEN_IDLE, this.#context(turn));
      return isSound;
    }
    const found = this.#findJob(entry, frame.seq);
    if (found === undefined) return true;
    const { target, job } = found;
    const before = job.sync.movesUnderWay;
    const isSound = job.sync.onReply(entry, frame, this.#context(turn));
    if (job.sync.movesUnderWay < before && this.#isBusy(turn.nowMs)) {
      job.pausedUntilMs = turn.nowMs + job.sync.lastMoveMs * REST_FACTOR;
    }
    this.#advance(target, job, turn);
    return isSound;
  }

  /** After a pause, or just in case. */
  resume(turn: Turn): void {
    for (const [index, job] of this.#jobs) {
      const target = this.#io.copies.at(index);
      if (target !== undefined) this.#advance(target, job, turn);
    }
  }

  #advance(target: CopyEntry, job: Job, turn: Turn): void {
    const { sync } = job;
    const { nowMs, effects } = turn;
    if (sync.isDone) {
      if (job.checkpointSeq !== undefined) return;
      // From here on every acknowledgement waits for this copy, and the CHECKPOINT covers what was
      // acknowledged without it (I1, I14).
      target.joining = 'flushing';
      this.#io.copies.recount();
      const checkpoint = makeControl(this.#io, OPCODE.CHECKPOINT, target.bit);
      job.checkpointSeq = checkpoint.seq;
      job.checkpointSentMs = nowMs;
      effects.push(checkpoint);
      return;
    }
    if (!this.#isBusy(nowMs)) {
      sync.fill(PIECES_WHEN_IDLE, this.#context(turn));
    } else if (job.pausedUntilMs <= nowMs) {
      sync.fill(1, this.#context(turn));
    } else {
      effects.push({ kind: 'wake', afterMs: job.pausedUntilMs - nowMs });
    }
  }

  #isBusy(nowMs: number): boolean {
    return nowMs - this.#io.lastRequestMs < BUSY_MS;
  }

  /** The CHECKPOINT of a sync was answered: the copy may become in-sync. False if it is not ours. */
  onCheckpoint(entry: CopyEntry, seq: number): boolean {
    if (this.#jobs.get(entry.index)?.checkpointSeq !== seq) return false;
    this.#jobs.delete(entry.index);
    endRestart(entry);
    entry.joining = 'durable';
    return true;
  }

  /**
   * The volume grew: what is under way would end too early, and its answers could lower the stamp of
   * the region that the old end was in.
   */
  resize(sizeBytes: number, turn: Turn): void {
    this.sizeBytes = sizeBytes;
    for (const [index, { sync, checkpointSeq }] of [...this.#jobs]) {
      const target = this.#io.copies.at(index);
      if (checkpointSeq === undefined && target !== undefined) {
        this.#begin(target, sync.source, turn);
      }
    }
  }

  /** A copy that was a target or a source of a sync is gone. */
  copyLost(lost: CopyEntry, turn: Turn): void {
    const { copies } = this.#io;
    this.#jobs.delete(lost.index);
    const source = copies.firstUsable;
    for (const [index, job] of [...this.#jobs]) {
      // One that has everything only waits for its CHECKPOINT and needs no source any more.
      if (job.sync.source !== lost.bit || job.checkpointSeq !== undefined) continue;
      this.#jobs.delete(index);
      const target = copies.at(index);
      // What went over already has the same stamps on both and is only compared.
      if (source === undefined || target === undefined) continue;
      this.#begin(target, source.bit, turn);
    }
  }

  /** The copy is not wanted any more: it gets no new writes, and does not become in-sync. */
  cancel(entry: CopyEntry): void {
    this.#jobs.delete(entry.index);
    entry.isReceiving = false;
    entry.joining = 'no';
  }

  cancelAll(): void {
    this.#jobs.clear();
    this.stopEqualising();
  }

  /** Whether a request of a sync has waited for this copy since before `sinceMs`. */
  hasOverdue(copy: CopyMask, sinceMs: number): boolean {
    for (const { sync, checkpointSeq, checkpointSentMs } of this.#jobs.values()) {
      const isOwed = checkpointSeq !== undefined && sync.target === copy;
      if (isOwed && checkpointSentMs < sinceMs) return true;
    }
    return this.#syncs().some((sync) => sync.hasOverdue(copy, sinceMs));
  }

  progressOf(entry: CopyEntry, nowMs: number): SyncProgress | undefined {
    const job = this.#jobs.get(entry.index);
    if (job === undefined || !job.sync.isCounted) return undefined;
    const { doneBytes, totalBytes, differenceBytes } = job.sync;
    const seconds = Math.max(nowMs - job.startedMs, 1) / 1000;
    const bytesPerSecond = Math.round(doneBytes / seconds);
    const remainingBytes = totalBytes - doneBytes;
    const etaSeconds = bytesPerSecond === 0 ? 0 : Math.ceil(remainingBytes / bytesPerSecond);
    return { doneBytes, totalBytes, differenceBytes, bytesPerSecond, etaSeconds };
  }

  #syncs(): CopySync[] {
    return [...this.#equalising.values(), ...[...this.#jobs.values()].map(({ sync }) => sync)];
  }

  #findEqualising(seq: number): CopySync | undefined {
    for (const sync of this.#equalising.values()) if (sync.owns(seq)) return sync;
    return undefined;
  }

  /** The job whose request `entry` answered: as its target, or as the source of another. */
  #findJob(entry: CopyEntry, seq: number): { target: CopyEntry; job: Job } | undefined {
    for (const [index, job] of this.#jobs) {
      if (!job.sync.owns(seq)) continue;
      const target = index === entry.index ? entry : this.#io.copies.at(index);
      return target && { target, job };
    }
    return undefined;
  }

  #context({ nowMs, effects }: Turn): SyncContext {
    return { numbers: this.#io, nowMs, effects };
  }
}
