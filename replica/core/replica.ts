import { unreachable } from '../common/assert.ts';
import { FLAG, OPCODE, PROTOCOL_VERSION, STATUS, type Status } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { type Hello, type Lease, MAX_LEASES } from '../protocol/hello.ts';
import { encodeStamps } from '../protocol/stamps.ts';
import type { Metadata } from '../store/metadata-record.ts';
import { type Asker, askerOf, reply } from './answers.ts';
import { ChangeHistory, type CopyAtStart } from './change-history.ts';
import { Changes } from './changes.ts';
import { type CheckpointWaiter, Durability } from './durability.ts';
import { Journal } from './journal.ts';
import { ASSUMED_LEASE_MS, Leases } from './leases.ts';
import { nextSession } from './next-session.ts';
import { isSensible, whyViolates } from './request-checks.ts';
import type { ConnectionId, ReplicaEffect, ReplicaEvent, ReplicaStatus } from './step.ts';
import { isAtomic, WaitingFrames } from './waiting-frames.ts';
import { whyRefused } from './why-refused.ts';

type EventOf<Kind extends ReplicaEvent['kind']> = Extract<ReplicaEvent, { kind: Kind }>;

/** One copy of a volume: fencing, order, stamps and what is durable. No I/O: `step` says what to do. */
export class Replica {
  #metadata: Metadata;
  readonly #bootId: string;
  readonly #history: ChangeHistory;
  readonly #durability: Durability;
  readonly #leases: Leases;
  readonly #journal: Journal;
  readonly #waiting: WaitingFrames;
  readonly #changes: Changes;
  /** The one connection whose frames count. */
  #current: ConnectionId | undefined;
  #isStopping = false;

  constructor(copy: CopyAtStart, longestLeaseMs = ASSUMED_LEASE_MS) {
    this.#metadata = copy.metadata;
    this.#bootId = copy.bootId;
    this.#history = new ChangeHistory(copy);
    this.#journal = new Journal(copy.metadata.dataId, copy.journal);
    const { regions, extents } = this.#history;
    this.#durability = new Durability(regions, extents, this.#journal);
    this.#waiting = new WaitingFrames(this.#history, this.#durability, this.#journal);
    this.#changes = new Changes({
      ...{ history: this.#history, durability: this.#durability },
      ...{ journal: this.#journal, waiting: this.#waiting },
      beforeChange: (effects) => this.#noteData(effects),
    });
    this.#leases = new Leases(copy.metadata.leaseHolders, longestLeaseMs);
  }

  get status(): ReplicaStatus {
    const { volumeId, replicaId, dataId, sizeBytes } = this.#metadata;
    const { epoch, session, isPristine, instanceId } = this.#metadata;
    return {
      ...{ volumeId, replicaId, dataId, sizeBytes, epoch, session, isPristine },
      controller: this.#current === undefined ? null : instanceId,
      tailLength: this.#history.tailLength,
      restart: this.#history.restart,
      hotExtents: this.#history.extents.hotCount,
    };
  }

  /** Payload of requests that wait for the disk: whoever feeds this should not feed it more. */
  get heldBytes(): number {
    return this.#waiting.bytes;
  }

  step(event: ReplicaEvent, effects: ReplicaEffect[]): void {
    switch (event.kind) {
      case 'frame':
        // Frames of a connection that was replaced are from an older controller (I4).
        if (event.connection !== this.#current || this.#isStopping) return;
        this.#onFrame(event, effects);
        return;
      case 'executed':
        this.#onExecuted(event, effects);
        return;
      case 'reserved':
        this.#onReserved(event, effects);
        return;
      case 'turn-ended':
        this.#writeDown(effects);
        this.#durability.advance(this.#history.settledSeq, effects);
        for (const waiter of this.#durability.takeDone()) this.#onCheckpointed(waiter, effects);
        return;
      case 'synced':
        this.#onSynced(event.failure, effects);
        return;
      case 'saved':
        this.#onSaved(event, effects);
        return;
      case 'hello':
        this.#onHello(event, effects);
        return;
      case 'closed':
        if (event.connection === this.#current) this.#disconnect();
        return;
      case 'malformed':
        this.#violation(event.connection, 'payload does not decompress', effects);
        return;
      case 'shutdown':
        this.#isStopping = true;
        this.#waiting.clear();
        this.#durability.checkpoint({ kind: 'shutdown' });
        return;
      default:
        unreachable(event, 'event');
    }
  }

  // Connections.

  #onHello(event: EventOf<'hello'>, effects: ReplicaEffect[]): void {
    const { connection, hello, nowMs } = event;
    const leases = this.#leases.runningBeside(hello.instanceId, nowMs);
    const refusal = whyRefused(this.#metadata, hello, {
      isStopping: this.#isStopping,
      hasTooManyReaders: leases.length >= MAX_LEASES,
    });
    if (refusal !== undefined) {
      effects.push({ kind: 'refuse', connection, refusal });
      return;
    }
    // All that the older connection sent and we took in has been executed by now; what is held or
    // under way is discarded with it.
    if (this.#current !== undefined) {
      const reason = `replaced by epoch ${hello.epoch}, instance ${hello.instanceId}`;
      effects.push({ kind: 'close', connection: this.#current, reason });
      this.#disconnect();
    }
    const { epoch, instanceId } = this.#metadata;
    this.#history.beginConnection(hello.instanceId !== instanceId || hello.epoch !== epoch);
    this.#current = connection;
    this.#persist(this.#afterHello(hello, leases), effects);
    const { volumeId, replicaId, dataId, sizeBytes, isPristine, session } = this.#metadata;
    const welcome = {
      ...{ protocolVersion: PROTOCOL_VERSION, volumeId, replicaId, dataId, sizeBytes },
      ...{ isPristine, session, lastSeq: this.#history.lastSeq, restart: this.#history.restart },
      ...{ tail: this.#history.inDoubt(), leases, attribute: this.#metadata.attribute },
    };
    effects.push({ kind: 'welcome', connection, welcome });
  }

  /** All that must be durable before a hello is answered. */
  #afterHello({ epoch, instanceId }: Hello, leases: readonly Lease[]): Partial<Metadata> {
    return {
      ...{ epoch, instanceId, bootId: this.#bootId },
      session: nextSession(this.#metadata.session, epoch),
      // With the boot id of today in the record, only this says that the last one was another.
      mayLackWrites: this.#history.restart === 'may-lack-writes',
      leaseHolders: [...leases.map((lease) => lease.instanceId), instanceId],
      journalKept: this.#journal.carriedOutNumber,
    };
  }

  #disconnect(): void {
    this.#current = undefined;
    this.#waiting.clear();
  }

  #violation(connection: ConnectionId, reason: string, effects: ReplicaEffect[]): void {
    if (connection === this.#current) this.#disconnect();
    effects.push({ kind: 'close', connection, reason: `protocol violation: ${reason}` });
  }

  // Requests.

  #onFrame(event: EventOf<'frame'>, effects: ReplicaEffect[]): void {
    const { connection, frame } = event;
    if (frame.opcode === OPCODE.HEARTBEAT) {
      this.#onHeartbeat(event, effects);
      return;
    }
    const violation = whyViolates(frame);
    if (violation !== undefined) {
      this.#violation(connection, violation, effects);
      return;
    }
    if (!isSensible(frame, this.#metadata.sizeBytes)) {
      effects.push(reply(connection, frame, STATUS.INVALID));
      return;
    }
    if (this.#waiting.admit(frame)) this.#execute(connection, frame, effects);
  }

  /** Answered at once whatever the disk does: a long fsync is not death. */
  #onHeartbeat({ connection, frame, nowMs }: EventOf<'frame'>, effects: ReplicaEffect[]): void {
    const { instanceId } = this.#metadata;
    if (instanceId !== null && frame.length > 0) {
      this.#leases.grant(instanceId, frame.length, nowMs);
    }
    effects.push(reply(connection, frame, STATUS.OK));
    // It overtook what is held, and so may call a write stable that was not carried out yet.
    if (!this.#waiting.isEmpty) return;
    this.#history.settle(frame.stableSeq);
    this.#durability.beat(this.#history.settledSeq);
  }

  #execute(connection: ConnectionId, frame: Frame, effects: ReplicaEffect[]): void {
    this.#history.settle(frame.stableSeq);
    const { opcode, offset, length } = frame;
    switch (opcode) {
      case OPCODE.READ: {
        const generation = this.#history.regions.newest(offset, offset + length);
        effects.push({ kind: 'read', connection, frame, generation });
        return;
      }
      case OPCODE.WRITE:
      case OPCODE.TRIM:
      case OPCODE.COMMIT:
        this.#changes.carryOut(connection, frame, effects);
        return;
      case OPCODE.MARK:
        this.#durability.noteChange();
        this.#history.recordMark(frame);
        effects.push(reply(connection, frame, STATUS.OK));
        return;
      case OPCODE.STAMPS: {
        const payload = encodeStamps(this.#history.regions.stampsOf(offset, offset + length));
        effects.push({ ...reply(connection, frame, STATUS.OK), payload });
        return;
      }
      case OPCODE.HASHES: {
        const stamps = this.#history.regions.stampsOf(offset, offset + length);
        effects.push({ kind: 'hash', connection, frame, stamps });
        return;
      }
      case OPCODE.MAP:
        effects.push({ kind: 'map', connection, frame });
        return;
      case OPCODE.STORE:
        this.#persist({ attribute: frame.payload.toString('base64') }, effects);
        effects.push(reply(connection, frame, STATUS.OK));
        return;
      case OPCODE.RESIZE:
        if (offset > this.#metadata.sizeBytes) effects.push({ kind: 'grow', connection, frame });
        else effects.push(reply(connection, frame, STATUS.OK));
        return;
      case OPCODE.FLUSH:
        this.#durability.flush(askerOf(connection, frame));
        return;
      case OPCODE.CHECKPOINT:
        this.#durability.checkpoint({ kind: 'checkpoint', asker: askerOf(connection, frame) });
        return;
      case OPCODE.STATUS: {
        const payload = Buffer.from(JSON.stringify(this.status), 'utf8');
        effects.push({ ...reply(connection, frame, STATUS.OK), payload });
        return;
      }
      case OPCODE.GOODBYE:
        this.#history.settleAll();
        this.#durability.checkpoint({ kind: 'goodbye', asker: askerOf(connection, frame) });
    }
  }

  /** Once in a copy's life the first change waits until the metadata says that there is data. */
  #noteData(effects: ReplicaEffect[]): void {
    if (this.#metadata.isPristine) this.#persist({ isPristine: false }, effects);
  }

  /** Begins to write down what is next in line, if that must be had as a whole. */
  #writeDown(effects: ReplicaEffect[]): void {
    const frames = this.#waiting.takeRun();
    if (frames.length > 0) effects.push({ kind: 'reserve', connection: this.#current!, frames });
  }

  // Outcomes.

  #onExecuted(event: EventOf<'executed'>, effects: ReplicaEffect[]): void {
    const { connection, frame, status } = event;
    const { opcode, flags } = frame;
    const isChange = opcode === OPCODE.WRITE || opcode === OPCODE.TRIM;
    if (status !== STATUS.OK && isChange) this.#history.recordFailure(frame);
    if (opcode === OPCODE.WRITE && (flags & FLAG.ASSIGN) !== 0) {
      this.#durability.noteSynced(frame.length);
    }
    if (isAtomic(frame) || (isChange && (flags & FLAG.STAGED) !== 0)) {
      const progress = this.#changes.executed(event, effects);
      if (progress === 'all') this.#release(effects);
      else if (progress === 'failed') this.#fail(DATA_FAILED, effects);
      return;
    }
    if (status === STATUS.OK && (flags & FLAG.FUA) !== 0) {
      this.#durability.flush(askerOf(connection, frame));
      return;
    }
    if (status === STATUS.OK && opcode === OPCODE.RESIZE) this.#grow(frame.offset, effects);
    effects.push(reply(connection, frame, status));
    if (status === STATUS.IO_FAILED) this.#fail(DATA_FAILED, effects);
  }

  /** Whether there is space for what is to be written down next. */
  #onReserved({ connection, status }: EventOf<'reserved'>, effects: ReplicaEffect[]): void {
    if (connection !== this.#current) return;
    if (status !== STATUS.OK) {
      this.#refuse(status, effects);
      this.#writeDown(effects);
      return;
    }
    this.#noteData(effects); // the next process may carry the record out
    this.#waiting.reserved(this.#metadata.session);
    this.#durability.advance(this.#history.settledSeq, effects);
  }

  #refuse(status: Status, effects: ReplicaEffect[]): void {
    const frame = this.#waiting.refused();
    if (frame !== undefined) effects.push(reply(this.#current!, frame, status));
    if (status === STATUS.IO_FAILED) this.#fail(DATA_FAILED, effects);
    else this.#release(effects);
  }

  /** The files are long enough by now. */
  #grow(sizeBytes: number, effects: ReplicaEffect[]): void {
    if (sizeBytes <= this.#metadata.sizeBytes) return;
    this.#history.grow(sizeBytes);
    this.#persist({ sizeBytes }, effects);
  }

  #onSynced(failure: string | undefined, effects: ReplicaEffect[]): void {
    const askers = this.#durability.synced(failure === undefined);
    // Never tried again: the kernel may have dropped the pages, and a second call would say "done".
    if (failure !== undefined) this.#persist({ mayLackWrites: true }, effects);
    this.#answer(askers, failure === undefined ? STATUS.OK : STATUS.IO_FAILED, effects);
    if (failure !== undefined) this.#fail(`fdatasync failed: ${failure}`, effects);
  }

  #answer(askers: readonly Asker[], status: Status, effects: ReplicaEffect[]): void {
    for (const { connection, frame } of askers) {
      if (connection === this.#current) effects.push(reply(connection, frame, status));
    }
  }

  #onSaved({ failure, isFull }: EventOf<'saved'>, effects: ReplicaEffect[]): void {
    const erasure = isFull === true ? this.#durability.refused() : undefined;
    if (erasure !== undefined) {
      effects.push({ kind: 'note', page: erasure });
      this.#refuse(STATUS.NO_SPACE, effects);
      return;
    }
    if (failure !== undefined) {
      if (isFull !== true) this.#persist({ mayLackWrites: true }, effects);
      this.#fail(`make durable what goes with the data: ${failure}`, effects);
      return;
    }
    this.#answer(this.#durability.saved(), STATUS.OK, effects);
    this.#release(effects);
  }

  /** Carries out what was held, in stream order, up to the first that must go on waiting. */
  #release(effects: ReplicaEffect[]): void {
    for (let frame = this.#waiting.next(); frame !== undefined; frame = this.#waiting.next()) {
      this.#execute(this.#current!, frame, effects);
    }
  }

  #onCheckpointed(waiter: CheckpointWaiter, effects: ReplicaEffect[]): void {
    if (waiter.kind === 'shutdown') {
      this.#disconnect();
      effects.push({ kind: 'stop', isFailure: false, reason: 'asked to stop' });
      return;
    }
    const { connection, frame } = waiter.asker;
    if (connection !== this.#current) return;
    if (waiter.kind === 'goodbye') this.#leave(effects);
    else if (this.#history.restart !== 'none') this.#makeWhole(effects);
    effects.push(reply(connection, frame, STATUS.OK));
  }

  /** The controller says that this copy has all that it was sent, and that is durable (I13, I14). */
  #makeWhole(effects: ReplicaEffect[]): void {
    this.#history.endRestart();
    if (this.#metadata.mayLackWrites) this.#persist({ mayLackWrites: false }, effects);
  }

  /** The controller went away in good order: it reads no more. Frames it still sends are dropped. */
  #leave(effects: ReplicaEffect[]): void {
    const { instanceId, leaseHolders } = this.#metadata;
    if (instanceId !== null) this.#leases.release(instanceId);
    const others = leaseHolders.filter((holder) => holder !== instanceId);
    this.#persist({ leaseHolders: others }, effects);
    this.#disconnect();
  }

  #fail(reason: string, effects: ReplicaEffect[]): void {
    this.#isStopping = true;
    effects.push({ kind: 'stop', isFailure: true, reason });
  }

  #persist(change: Partial<Metadata>, effects: ReplicaEffect[]): void {
    this.#metadata = { ...this.#metadata, ...change };
    effects.push({ kind: 'persist', metadata: this.#metadata });
  }
}

const DATA_FAILED = 'the data file cannot be read or written';
