import { assert, unreachable } from '../../replica/common/assert.ts';
import type { ErrorCode } from '../../replica/common/errors.ts';
import { OPCODE, PROTOCOL_VERSION, STATUS } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { Welcome } from '../../replica/protocol/hello.ts';
import type { ControllerIdentity, Membership } from '../protocol/membership.ts';
import type { Registration, VolumeSpec } from '../protocol/registration.ts';
import type { CopyStatus, Health } from '../protocol/status.ts';
import { healthOf, isIoAllowed } from './availability.ts';
import { Copies, type CopyEntry, describeCopy } from './copies.ts';
import { decideStart, mayStart, whyForeign } from './gathering.ts';
import { IoPath, type ReadPayload } from './io-path.ts';
import { Liveness } from './liveness.ts';
import { nextRecord } from './record-change.ts';
import { RecordKeeper } from './record-keeper.ts';
import type { CopyIndex, CopyMask, VolumeEffect, VolumeEvent } from './step.ts';
import { SyncJobs } from './sync-jobs.ts';
import { DEFAULT_TIMING, type Timing } from './timing.ts';

/**
 * claiming → gathering → settling → equalising → active → stopping; back to gathering when an
 * in-sync copy is lost before the volume was ever active.
 */
type Phase =
  | 'new'
  | 'claiming'
  | 'gathering'
  | 'settling'
  | 'equalising'
  | 'active'
  | 'stopping'
  | 'stopped';

/**
 * The volume as a step machine: who holds the record, which copies are in-sync, what happens when
 * one comes or goes (design sections 3 to 6). The data path itself is in `IoPath`, the moving of
 * whole ranges in `SyncJobs`; this class decides when they may run. Pure: events in, effects out.
 */
export class Volume {
  readonly #timing: Timing;
  readonly #io: IoPath;
  readonly #syncs: SyncJobs;
  readonly #liveness: Liveness;
  #phase: Phase = 'new';
  #spec!: VolumeSpec;
  #keeper!: RecordKeeper;
  #instanceId = '';
  #copies!: Copies;
  #random = 0;
  #gatherDeadlineMs = 0;
  #goodbyesOwed: CopyMask | undefined;

  /** @param readPayload turns the answer to a read into its bytes; undefined when it is malformed */
  constructor(readPayload: ReadPayload, timing: Timing = DEFAULT_TIMING) {
    this.#timing = timing;
    this.#io = new IoPath(readPayload, timing);
    this.#syncs = new SyncJobs(this.#io);
    this.#liveness = new Liveness(
      timing,
      (copy, sinceMs) =>
        this.#io.hasOverdue(copy, sinceMs) || this.#syncs.hasOverdue(copy, sinceMs),
    );
  }

  step(event: VolumeEvent, effects: VolumeEffect[]): void {
    switch (event.kind) {
      case 'frame':
        return this.#onFrame(event.copy, event.frame, event.nowMs, effects);
      case 'request':
        return this.#io.submit(event.request, event.operation, event.nowMs, effects);
      case 'cancel':
        return this.#io.cancel(event.request, effects);
      case 'start':
        return this.#onStart(event.registration, event, effects);
      case 'record':
        return this.#onRecord(event.membership, event.nowMs, effects);
      case 'record-unknown':
        return this.#keeper.retry(effects);
      case 'link-up':
        return this.#onLinkUp(event.copy, event.welcome, event.nowMs, effects);
      case 'link-down':
        return this.#onLinkDown(event.copy, event.code, event.nowMs, effects);
      case 'tick':
        return this.#onTick(event.nowMs, effects);
      case 'shutdown':
        return this.#onShutdown(effects);
      default:
        return unreachable(event, 'volume event');
    }
  }

  // What an operator sees.

  get epoch(): number {
    return this.#record.epoch;
  }

  get generation(): number {
    return this.#record.generation;
  }

  get isActive(): boolean {
    return this.#phase === 'active';
  }

  health(): Health {
    if (this.#phase !== 'active') return 'unavailable';
    return healthOf(this.#spec, this.#copies.usableCount);
  }

  copyStatuses(nowMs: number): CopyStatus[] {
    return this.#copies.entries.map((entry) => ({
      ...describeCopy(entry, this.#syncs.progressOf(entry, nowMs)),
      isPrimary: entry === this.#io.primary,
    }));
  }

  get #record(): Membership {
    return this.#keeper.record;
  }

  // Starting.

  #onStart(
    registration: Registration,
    start: { identity: ControllerIdentity; random: number; nowMs: number },
    effects: VolumeEffect[],
  ): void {
    assert(this.#phase === 'new', 'a volume starts once');
    this.#phase = 'claiming';
    this.#spec = registration.volume;
    this.#instanceId = start.identity.instanceId;
    this.#random = start.random;
    this.#liveness.start(start.nowMs);
    this.#copies = new Copies(registration.membership);
    this.#io.attach(this.#copies);
    const { registryRetryMs } = this.#timing;
    this.#keeper = new RecordKeeper(registration.membership, start.identity, registryRetryMs);
    this.#keeper.claim(effects);
  }

  #onRecord(membership: Membership, nowMs: number, effects: VolumeEffect[]): void {
    if (!this.#keeper.accept(membership, effects)) return;
    if (membership === this.#record) {
      this.#copies.adopt(membership);
      // What a copy that left still owed, it gets by its sync: it must never be sent that again.
      for (const entry of this.#copies.entries) {
        if (entry.record.state !== 'in-sync' && !entry.isReceiving) this.#io.forget(entry);
      }
    }
    if (this.#phase === 'claiming') {
      this.#phase = 'gathering';
      this.#gatherDeadlineMs = nowMs + this.#timing.gatherMs;
      const { epoch, generation } = membership;
      effects.push(notice('took the volume', { epoch, generation }));
    }
    for (const entry of this.#copies.entries) this.#connect(entry, effects);
    this.#settle(nowMs, effects);
  }

  /** With every in-sync copy there, or without some once the wait is over, the start goes on. */
  #gather(nowMs: number): boolean {
    const inSync = this.#copies.inSync();
    const isWaitOver = nowMs >= this.#gatherDeadlineMs;
    if (!mayStart(inSync, isWaitOver ? this.#spec : undefined)) return false;
    const decision = decideStart(inSync, this.#random);
    if (decision === undefined) return false;
    for (const entry of inSync) {
      entry.mustLeave = decision.leaving.includes(entry);
      this.#io.continueAfter(entry.welcome?.lastSeq ?? 0);
    }
    this.#io.primary = decision.primary;
    this.#syncs.rememberTail(decision.tail);
    this.#copies.recount();
    this.#phase = 'settling';
    return true;
  }

  #serve(nowMs: number, effects: VolumeEffect[]): void {
    this.#phase = 'active';
    this.#io.declareEqualised();
    effects.push(
      notice('serving', {
        epoch: this.#record.epoch,
        health: this.health(),
        primary: this.#io.primary?.replicaId,
        equalisedBytes: this.#syncs.equalisedBytes,
      }),
    );
    this.#settle(nowMs, effects);
  }

  // Copies come and go.

  #connect(entry: CopyEntry, effects: VolumeEffect[], dataId = entry.record.dataId): void {
    effects.push({
      kind: 'connect',
      copy: entry.index,
      hello: {
        protocolVersion: PROTOCOL_VERSION,
        volumeId: this.#spec.id,
        replicaId: entry.replicaId,
        dataId,
        epoch: this.#record.epoch,
        instanceId: this.#instanceId,
      },
    });
  }

  #onLinkUp(index: CopyIndex, welcome: Welcome, nowMs: number, effects: VolumeEffect[]): void {
    const entry = this.#copies.at(index);
    entry.welcome = welcome;
    entry.lastHeardMs = nowMs;
    const reason = whyForeign(entry, this.#spec.sizeBytes);
    effects.push(notice('copy connected', { replica: entry.replicaId, state: entry.record.state }));
    if (reason !== undefined) {
      effects.push(notice('copy cannot be used', { replica: entry.replicaId, reason }));
      if (entry.record.state === 'in-sync') entry.isForeign = entry.mustLeave = true;
      entry.welcome = undefined;
      effects.push({ kind: 'disconnect', copy: entry.index, reason });
    }
    this.#copies.recount();
    this.#settle(nowMs, effects);
  }

  #onLinkDown(index: CopyIndex, code: ErrorCode, nowMs: number, effects: VolumeEffect[]): void {
    const entry = this.#copies.at(index);
    if (code === 'EPOCH_SUPERSEDED') {
      const reason = `${entry.replicaId} knows a newer epoch than ${this.#record.epoch}`;
      effects.push({ kind: 'stop', code, reason });
      return;
    }
    if (code === 'WRONG_IDENTITY') {
      if (entry.record.state === 'in-sync') entry.isForeign = entry.mustLeave = true;
      else this.#connect(entry, effects, null);
    }
    this.#lose(entry, code, nowMs, effects);
    this.#settle(nowMs, effects);
  }

  /** The connection is gone: whatever this copy owed, it may not have done. */
  #lose(entry: CopyEntry, reason: string, nowMs: number, effects: VolumeEffect[]): void {
    const wasUp = entry.welcome !== undefined;
    const { isChanging } = this.#keeper;
    const isWaitedFor = this.#copies.lose(entry, {
      isActive: this.#phase === 'active',
      isChanging,
    });
    if (!isWaitedFor) this.#io.forget(entry);
    if (!wasUp) return;
    const { replicaId, record } = entry;
    effects.push(notice('copy lost', { replica: replicaId, reason, state: record.state }));
    this.#syncs.copyLost(entry, this.#copies, nowMs, effects);
    if (this.#phase === 'settling' || this.#phase === 'equalising') {
      this.#syncs.stopEqualising();
      this.#phase = 'gathering';
      this.#gatherDeadlineMs = nowMs + this.#timing.gatherMs;
    }
  }

  /** Level-triggered: brings the record, the syncs and the held I/O in line with what is known. */
  #settle(nowMs: number, effects: VolumeEffect[]): void {
    if (this.#phase === 'new' || this.#phase === 'claiming') return;
    if (!this.#keeper.isChanging) {
      if (this.#phase === 'gathering' && !this.#gather(nowMs)) return;
      this.#keepLastCopy(effects);
      const next = nextRecord(this.#record, this.#copies.entries, this.#phase === 'active');
      if (next !== undefined) {
        this.#keeper.change(next, effects);
      } else if (this.#phase === 'settling') {
        // Copies that stay were chosen and the record knows: make them identical, then serve (I6).
        this.#phase = 'equalising';
        this.#syncs.startEqualising(this.#copies, nowMs, effects);
      }
    }
    if (this.#phase === 'equalising' && this.#syncs.isEqualised) this.#serve(nowMs, effects);
    if (this.#phase !== 'active') return;
    this.#syncs.start(this.#copies, this.#spec.sizeBytes, nowMs, effects);
    this.#io.setAllowed(isIoAllowed(this.#spec, this.#copies.usableCount));
    this.#io.resume(nowMs, effects);
  }

  /**
   * When every in-sync copy dropped its connection, none can be struck off for missing a write that
   * nobody has. The first to return is given what it may have missed, and the others then leave.
   */
  #keepLastCopy(effects: VolumeEffect[]): void {
    const inSync = this.#copies.inSync();
    if (inSync.some((entry) => !entry.mustLeave)) return;
    const survivor = inSync.find((entry) => entry.welcome !== undefined && !entry.isForeign);
    if (survivor === undefined) return;
    survivor.mustLeave = false;
    this.#copies.recount();
    this.#io.sendAgain(survivor, effects);
    effects.push(notice('went on with the first copy to return', { replica: survivor.replicaId }));
  }

  // Frames, time, the end.

  #onFrame(index: CopyIndex, frame: Frame, nowMs: number, effects: VolumeEffect[]): void {
    const entry = this.#copies.at(index);
    if (entry.welcome === undefined) return; // sent before we gave this connection up
    entry.lastHeardMs = nowMs;
    if (frame.status !== STATUS.OK) return this.#onFailure(entry, frame, nowMs, effects);
    switch (frame.opcode) {
      case OPCODE.WRITE_REPLY:
      case OPCODE.TRIM_REPLY:
        if (this.#syncs.onWritten(entry, frame.seq, nowMs, effects))
          this.#onRegionDone(nowMs, effects);
        else this.#io.onMutationReply(entry, frame.seq, nowMs, effects);
        break;
      case OPCODE.READ_REPLY:
        if (this.#syncs.onRead(frame, nowMs, effects)) break;
        if (!this.#io.onReadReply(frame, effects)) {
          this.#giveUp(entry, 'its answer to a read was malformed', nowMs, effects);
        }
        break;
      case OPCODE.FLUSH_REPLY:
        if (this.#syncs.onFlushed(entry, frame.seq)) {
          this.#copies.recount();
          this.#settle(nowMs, effects);
        } else this.#io.onMutationReply(entry, frame.seq, nowMs, effects);
        break;
      case OPCODE.GOODBYE_REPLY:
        this.#goodbyesOwed = (this.#goodbyesOwed ?? 0) & ~entry.bit;
        break;
      default:
        break; // heartbeat and status replies carry nothing but the sign of life
    }
    if (this.#phase === 'stopping') this.#finishStopping(effects);
  }

  /** A region is unlocked: writes that were held for it go on, or the start does. */
  #onRegionDone(nowMs: number, effects: VolumeEffect[]): void {
    this.#copies.recount();
    if (this.#phase === 'equalising') this.#settle(nowMs, effects);
    else if (this.#io.waitingCount > 0) this.#io.resume(nowMs, effects);
  }

  /** A copy could not do what it was asked: it lacks that write, or cannot be read. */
  #onFailure(entry: CopyEntry, frame: Frame, nowMs: number, effects: VolumeEffect[]): void {
    const failure = frame.status === STATUS.NO_SPACE ? 'NO_SPACE' : 'IO_FAILED';
    entry.syncNotBeforeMs = nowMs + this.#timing.operationMs;
    if (this.#phase === 'equalising') entry.hasFailed = true;
    const isLast = this.#copies.usable === entry.bit;
    const mayFail = isLast && failure === 'NO_SPACE';
    if (mayFail && this.#io.failMutation(entry, frame.seq, failure, effects)) {
      this.#restartSyncs(nowMs, effects);
      this.#settle(nowMs, effects);
      return;
    }
    this.#giveUp(entry, `it answered ${failure}`, nowMs, effects);
  }

  /** A copy that is being synced may have done what the last in-sync copy could not. */
  #restartSyncs(nowMs: number, effects: VolumeEffect[]): void {
    for (const entry of this.#copies.entries) {
      if (entry.isReceiving) this.#giveUp(entry, 'it may hold a write that failed', nowMs, effects);
    }
  }

  #giveUp(entry: CopyEntry, reason: string, nowMs: number, effects: VolumeEffect[]): void {
    effects.push({ kind: 'disconnect', copy: entry.index, reason });
    this.#lose(entry, reason, nowMs, effects);
    this.#settle(nowMs, effects);
  }

  #onTick(nowMs: number, effects: VolumeEffect[]): void {
    if (this.#phase === 'new') return;
    for (const { entry, reason } of this.#liveness.tick(this.#copies.entries, nowMs)) {
      this.#giveUp(entry, reason, nowMs, effects);
    }
    this.#io.sendHeartbeat(effects);
    this.#io.expire(nowMs, effects);
    this.#settle(nowMs, effects);
  }

  #onShutdown(effects: VolumeEffect[]): void {
    const wasActive = this.#phase === 'active';
    this.#phase = wasActive ? 'stopping' : 'stopped';
    this.#io.close();
    this.#syncs.cancelAll();
    if (wasActive) this.#finishStopping(effects);
    else effects.push({ kind: 'stopped' });
  }

  /** Says goodbye once nothing is under way, and is done once every copy has answered that. */
  #finishStopping(effects: VolumeEffect[]): void {
    if (!this.#io.isIdle) return;
    this.#goodbyesOwed ??= this.#io.sendGoodbye(effects);
    if (this.#goodbyesOwed !== 0) return;
    this.#phase = 'stopped';
    effects.push({ kind: 'stopped' });
  }
}

function notice(message: string, fields: Readonly<Record<string, unknown>>): VolumeEffect {
  return { kind: 'notice', message, fields };
}
