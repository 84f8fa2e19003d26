import { assert, unreachable } from '../../replica/common/assert.ts';
import type { ErrorCode } from '../../replica/common/errors.ts';
import { OPCODE, STATUS } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { Welcome } from '../../replica/protocol/hello.ts';
import type { ControllerIdentity, Membership } from '../protocol/membership.ts';
import type { Registration, VolumeSpec } from '../protocol/registration.ts';
import type { CopyStatus, Health } from '../protocol/status.ts';
import { healthOf, isIoAllowed } from './availability.ts';
import { connect, type Introduction, takeWelcome } from './connecting.ts';
import { Copies, type CopyEntry, describeCopy } from './copies.ts';
import { Growth } from './growth.ts';
import { Heartbeats } from './heartbeats.ts';
import { IoPath } from './io-path.ts';
import { keepLastCopy, letUnwantedLeave, removeCopy, tellWhole } from './leaving.ts';
import { notice, noticePastLoss } from './notices.ts';
import type { ReadPayload } from './reads.ts';
import { nextRecord } from './record-change.ts';
import { RecordKeeper } from './record-keeper.ts';
import { VolumeStart } from './start.ts';
import type { CopyIndex, CopyMask, VolumeEffect, VolumeEvent } from './step.ts';
import { SyncJobs } from './sync-jobs.ts';
import { DEFAULT_TIMING, type Timing } from './timing.ts';

/** new → claiming → starting (start.ts) → active → stopping → stopped */
type Phase = 'new' | 'claiming' | 'starting' | 'active' | 'stopping' | 'stopped';

/**
 * The volume as a step machine: who holds the record, which copies are in-sync, what happens when
 * one comes or goes (design sections 3 to 6). The data path itself is in `IoPath`, the start in
 * `VolumeStart`, the moving of whole ranges in `SyncJobs`; this class decides when they may run.
 */
export class Volume {
  readonly #timing: Timing;
  readonly #io: IoPath;
  readonly #syncs: SyncJobs;
  readonly #heartbeats: Heartbeats;
  #growth!: Growth;
  #phase: Phase = 'new';
  #start: VolumeStart | undefined;
  #registration!: Registration;
  #keeper!: RecordKeeper;
  #instanceId = '';
  #copies!: Copies;
  #random = 0;
  #goodbyesOwed: CopyMask | undefined;

  /** @param readPayload turns the answer to a read into its bytes; undefined when it is malformed */
  constructor(readPayload: ReadPayload, timing: Timing = DEFAULT_TIMING) {
    this.#timing = timing;
    this.#io = new IoPath(readPayload, timing);
    this.#syncs = new SyncJobs(this.#io);
    const hasOverdue = (copy: CopyMask, sinceMs: number) =>
      this.#io.hasOverdue(copy, sinceMs) || this.#syncs.hasOverdue(copy, sinceMs);
    this.#heartbeats = new Heartbeats(timing, this.#io, hasOverdue);
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
      case 'registration':
        return this.#onRegistration(event.registration, event.nowMs, effects);
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

  get #parts() {
    const { leases } = this.#heartbeats;
    const [timing, copies, io, keeper] = [this.#timing, this.#copies, this.#io, this.#keeper];
    return { timing, copies, io, syncs: this.#syncs, leases, keeper };
  }

  get #introduction(): Introduction {
    const { epoch } = this.#record;
    return { volumeId: this.#spec.id, epoch, instanceId: this.#instanceId };
  }

  get #spec(): VolumeSpec {
    return this.#registration.volume;
  }

  // The record and the registration.

  #onStart(
    registration: Registration,
    start: { identity: ControllerIdentity; random: number; nowMs: number },
    effects: VolumeEffect[],
  ): void {
    assert(this.#phase === 'new', 'a volume starts once');
    this.#phase = 'claiming';
    this.#instanceId = start.identity.instanceId;
    this.#heartbeats.leases.startAs(this.#instanceId);
    this.#random = start.random;
    this.#heartbeats.start(start.nowMs);
    this.#copies = new Copies(registration.membership);
    this.#io.attach(this.#copies);
    this.#growth = new Growth(this.#copies, this.#io, this.#timing.operationMs);
    this.#syncs.sizeBytes = registration.membership.sizeBytes;
    this.#learn(registration);
    const { registryRetryMs } = this.#timing;
    this.#keeper = new RecordKeeper(registration.membership, start.identity, registryRetryMs);
    this.#keeper.claim(effects);
  }

  #onRegistration(registration: Registration, nowMs: number, effects: VolumeEffect[]): void {
    if (this.#phase === 'new' || this.#phase === 'stopped') return;
    this.#learn(registration);
    const record = this.#keeper.offer(registration.membership, effects);
    if (record !== undefined && this.#phase !== 'claiming') this.#adopt(record, nowMs, effects);
    this.#settle(nowMs, effects);
  }

  /** What the record does not say: policy, addresses, and what the orchestrator wants. */
  #learn(registration: Registration): void {
    this.#registration = registration;
    this.#heartbeats.leases.forget(registration.goneInstances);
    this.#copies.learn(registration);
    this.#growth.wantedBytes = registration.volume.sizeBytes;
    this.#syncs.wantedBytes = registration.volume.sizeBytes;
  }

  #onRecord(answer: Membership, nowMs: number, effects: VolumeEffect[]): void {
    const record = this.#keeper.accept(answer, effects);
    if (record === undefined) return;
    if (this.#phase === 'claiming') {
      this.#phase = 'starting';
      this.#start = new VolumeStart({ ...this.#parts, random: this.#random }, nowMs);
      const { epoch, generation } = record;
      effects.push(notice('took the volume', { epoch, generation }));
      noticePastLoss(this.#parts, effects);
    }
    this.#adopt(record, nowMs, effects);
    this.#settle(nowMs, effects);
  }

  #adopt(record: Membership, nowMs: number, effects: VolumeEffect[]): void {
    this.#io.generation = record.generation;
    const { sizeBytes } = record;
    if (sizeBytes > this.#syncs.sizeBytes) {
      this.#syncs.resize(sizeBytes, { nowMs, effects });
      effects.push({ kind: 'resized', sizeBytes }, notice('volume grew', { sizeBytes }));
    }
    for (const entry of this.#copies.missingIn(record)) removeCopy(entry, this.#parts, effects);
    const left = this.#copies.adopt(record);
    this.#copies.learn(this.#registration);
    if (left !== 0) this.#io.markUnconfirmed(left, effects);
    // What a copy that left still owed, it gets by its sync: it must never be sent that again.
    for (const entry of this.#copies.entries) {
      if (entry.record.state !== 'in-sync' && !entry.isReceiving) this.#io.forget(entry);
      connect(entry, this.#introduction, effects);
    }
  }

  // Copies come and go.

  #onLinkUp(index: CopyIndex, welcome: Welcome, nowMs: number, effects: VolumeEffect[]): void {
    const entry = this.#copies.at(index);
    if (entry === undefined) return;
    entry.lastHeardMs = nowMs;
    const { sizeBytes } = this.#record;
    const volume = { introduction: this.#introduction, sizeBytes };
    if (takeWelcome(entry, welcome, volume, effects)) {
      this.#heartbeats.leases.learn(entry, nowMs);
      this.#heartbeats.send(entry.bit, nowMs, effects);
    }
    this.#copies.recount();
    this.#settle(nowMs, effects);
  }

  #onLinkDown(index: CopyIndex, code: ErrorCode, nowMs: number, effects: VolumeEffect[]): void {
    const entry = this.#copies.at(index);
    if (entry === undefined) return;
    if (code === 'EPOCH_SUPERSEDED') {
      const reason = `${entry.replicaId} knows a newer epoch than ${this.#record.epoch}`;
      return void effects.push({ kind: 'stop', code, reason });
    }
    if (code === 'WRONG_IDENTITY') {
      if (entry.record.state === 'in-sync') entry.isForeign = entry.mustLeave = true;
      else entry.hasUnknownContent = true;
      connect(entry, this.#introduction, effects);
    }
    this.#lose(entry, code, nowMs, effects);
    this.#settle(nowMs, effects);
  }

  /** The connection is gone: whatever this copy owed, it may not have done. */
  #lose(entry: CopyEntry, reason: string, nowMs: number, effects: VolumeEffect[]): void {
    const wasUp = entry.welcome !== undefined;
    const { isChanging } = this.#keeper;
    const isWaitedFor = this.#copies.lose(entry, {
      isActive: this.#phase === 'active' || this.#phase === 'stopping',
      isChanging,
    });
    if (!isWaitedFor) this.#io.forget(entry);
    if (!wasUp) return;
    const { replicaId, record } = entry;
    effects.push(notice('copy lost', { replica: replicaId, reason, state: record.state }));
    this.#syncs.copyLost(entry, { nowMs, effects });
    if (this.#phase === 'starting') this.#start?.gatherAgain(nowMs);
  }

  /** Level-triggered: brings the record, the syncs and the held I/O in line with what is known. */
  #settle(nowMs: number, effects: VolumeEffect[]): void {
    const start = this.#start;
    if (start === undefined || this.#phase === 'stopped') return;
    const isStarting = this.#phase === 'starting';
    this.#growth.ask(nowMs, effects);
    if (!this.#keeper.isChanging) {
      if (isStarting && !start.decide(this.#spec, nowMs, effects)) return;
      keepLastCopy(this.#copies, this.#spec, this.#parts, effects);
      if (!isStarting) letUnwantedLeave(this.#copies, this.#syncs, this.#io);
      const { losses } = this.#keeper;
      const mayJoin = this.#phase === 'active';
      const facts = { mayJoin, losses, sizeBytes: this.#growth.commonBytes() };
      const next = nextRecord(this.#record, this.#copies.entries, facts);
      if (next !== undefined) this.#keeper.change(next, effects);
      else if (isStarting) start.equalise(nowMs, effects);
    }
    if (isStarting && start.mayServe(nowMs, effects)) this.#serve(nowMs, effects);
    if (this.#phase === 'starting') return;
    if (!this.#keeper.isChanging) tellWhole(this.#copies, this.#io, effects);
    if (this.#phase === 'active') this.#syncs.start({ nowMs, effects });
    this.#io.setAllowed(isIoAllowed(this.#spec, this.#copies.usableCount));
    this.#io.resume(nowMs, effects);
    if (this.#phase === 'stopping') this.#finishStopping(effects);
  }

  #serve(nowMs: number, effects: VolumeEffect[]): void {
    const { equalisedBytes } = this.#syncs;
    this.#syncs.finishEqualising(effects);
    this.#phase = 'active';
    this.#io.declareEqualised();
    this.#io.adoptAttribute(nowMs, effects);
    const primary = this.#io.primary?.replicaId;
    const { epoch } = this.#record;
    effects.push(notice('serving', { epoch, health: this.health(), primary, equalisedBytes }));
    this.#settle(nowMs, effects);
  }

  // Frames, time, the end.

  #onFrame(index: CopyIndex, frame: Frame, nowMs: number, effects: VolumeEffect[]): void {
    const entry = this.#copies.at(index);
    if (entry?.welcome === undefined) return; // sent before we gave this connection up
    entry.lastHeardMs = nowMs;
    if (this.#growth.onReply(entry, frame, nowMs, effects)) this.#settle(nowMs, effects);
    else if (frame.status !== STATUS.OK) this.#onFailure(entry, frame, nowMs, effects);
    else if (this.#syncs.owns(entry, frame.seq)) this.#onSyncReply(entry, frame, nowMs, effects);
    else this.#onReply(entry, frame, nowMs, effects);
    if (this.#phase === 'stopping') this.#finishStopping(effects);
  }

  #onReply(entry: CopyEntry, frame: Frame, nowMs: number, effects: VolumeEffect[]): void {
    switch (frame.opcode) {
      case OPCODE.WRITE_REPLY:
      case OPCODE.TRIM_REPLY:
      case OPCODE.FLUSH_REPLY:
      case OPCODE.STORE_REPLY:
        return this.#io.onMutationReply(entry, frame.seq, nowMs, effects);
      case OPCODE.READ_REPLY:
      case OPCODE.MAP_REPLY:
        if (this.#io.onReadReply(frame, nowMs, effects)) return;
        return this.#giveUp(entry, 'its answer to a read was malformed', nowMs, effects);
      case OPCODE.HEARTBEAT_REPLY:
        this.#heartbeats.leases.heartbeatAnswered(entry, frame.seq, this.#copies);
        if (this.#phase === 'active' && this.#io.waitingCount > 0) this.#io.resume(nowMs, effects);
        return;
      case OPCODE.CHECKPOINT_REPLY:
        if (!this.#syncs.onCheckpoint(entry, frame.seq)) return;
        this.#copies.recount();
        return this.#settle(nowMs, effects);
      case OPCODE.GOODBYE_REPLY:
        this.#goodbyesOwed = (this.#goodbyesOwed ?? 0) & ~entry.bit;
        return;
      default:
        return; // replies to marks carry nothing but the sign of life
    }
  }

  /** A region may be unlocked by it: writes that were held for it go on, or the start does. */
  #onSyncReply(entry: CopyEntry, frame: Frame, nowMs: number, effects: VolumeEffect[]): void {
    if (!this.#syncs.onReply(entry, frame, { nowMs, effects })) {
      return this.#giveUp(entry, 'its answer to a sync was malformed', nowMs, effects);
    }
    if (this.#phase === 'starting') this.#settle(nowMs, effects);
    else if (this.#io.waitingCount > 0) this.#io.resume(nowMs, effects);
  }

  /** A copy could not do what it was asked: it lacks that write, or cannot be read. */
  #onFailure(entry: CopyEntry, frame: Frame, nowMs: number, effects: VolumeEffect[]): void {
    const failure = frame.status === STATUS.NO_SPACE ? 'NO_SPACE' : 'IO_FAILED';
    entry.syncNotBeforeMs = nowMs + this.#timing.operationMs;
    if (this.#start?.isEqualising === true && this.#phase === 'starting') entry.hasFailed = true;
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

  /** About once a second, and whenever a `wake` asked for it. */
  #onTick(nowMs: number, effects: VolumeEffect[]): void {
    if (this.#phase === 'new') return;
    const isBeat = this.#heartbeats.isDue(nowMs);
    for (const { entry, reason } of this.#heartbeats.whoIsLost(this.#copies, nowMs, effects)) {
      this.#giveUp(entry, reason, nowMs, effects);
    }
    if (isBeat) {
      this.#heartbeats.beat(this.#copies.connected, nowMs, effects);
      this.#io.expire(nowMs, effects);
    }
    this.#syncs.resume({ nowMs, effects });
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
    // A copy that was lost meanwhile answers nothing any more.
    if ((this.#goodbyesOwed & this.#copies.usable) !== 0) return;
    this.#phase = 'stopped';
    effects.push({ kind: 'stopped' });
  }
}
