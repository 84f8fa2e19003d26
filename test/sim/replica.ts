import { Replica } from '../../replica/core/replica.ts';
import type { ReplicaEffect, ReplicaEvent, ReplicaStatus } from '../../replica/core/step.ts';
import { FLAG, OPCODE, STATUS, type Status } from '../../replica/protocol/constants.ts';
import { NO_PAYLOAD } from '../../replica/protocol/frame.ts';
import { blocksOf, decodeBlocks } from './content.ts';
import { makeHashesReply, makeMapReply, makeReadReply, NO_FIELDS } from './data-replies.ts';
import type { Directory } from './directory.ts';
import type { Connection, ToReplica } from './network.ts';
import { Process, type ProcessOptions } from './process.ts';
import type { Scheduler } from './scheduler.ts';
import { LONGEST_LEASE_MS } from './timing.ts';
import type { Trace } from './trace.ts';

/** What its disk does wrong the next time. */
export type DiskFailure = 'read' | 'write' | 'sync' | 'sync-late' | 'save';

export interface ReplicaParts {
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly process: ProcessOptions;
  readonly replicaId: string;
  readonly node: string;
  readonly directory: Directory;
  /** Told of the epoch that each write and trim belongs to, for the checks. */
  readonly onChange: (replica: SimReplica, epoch: number) => void;
  /** A CHECKPOINT arrived. */
  readonly onCheckpoint: (replica: SimReplica) => void;
  /** Its process has just started, or a controller just said hello. */
  readonly onSeen: (replica: SimReplica) => void;
  /** It lost something that it had answered for, or may have. */
  readonly onDamage: (replica: SimReplica) => void;
  /** It ended by itself. */
  readonly onStop: (replica: SimReplica) => void;
}

/** How often the kernel writes something back after a write. */
const WRITE_BACK_RATE = 0.02;

/** How often a process is killed again while it opens its directory. */
const REDO_CUT_RATE = 0.1;

/** How often a file system needs space for what has it already. */
const UNRESERVED_RATE = 0.3;

/** How long pages of a failed fdatasync may stay readable. */
const FORSAKEN_MS = 200;

type Run = { readonly core: Replica; readonly process: Process };
type RequestEffect = Extract<
  ReplicaEffect,
  { kind: 'read' | 'map' | 'write' | 'trim' | 'hash' | 'grow' }
>;

/** A replica on its directory: the real core, a simulated disk, and one process after the other. */
export class SimReplica {
  readonly replicaId: string;
  readonly node: string;
  directory: Directory;
  /** Every write, trim and save is refused while this holds. */
  isFull = false;
  /** The longest that an fdatasync and a save take. */
  syncMs = 5;
  saveMs = 1;
  failure: DiskFailure | undefined;
  /** The process is killed after so many effects more. */
  crashAfter: number | undefined;
  readonly #parts: ReplicaParts;
  readonly #connections = new Map<number, Connection>();
  /** By connection, of its hello. */
  readonly #epochs = new Map<number, number>();
  /** By connection: what came while the process was busy. */
  readonly #arrived = new Map<number, ToReplica[]>();
  #run: Run | undefined;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    this.replicaId = parts.replicaId;
    this.node = parts.node;
    this.directory = parts.directory;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  get process(): Process | undefined {
    return this.#run?.process;
  }

  get status(): ReplicaStatus | undefined {
    return this.#run?.core.status;
  }

  start(bootId: string): void {
    if (this.#run !== undefined) return;
    const { scheduler, process } = this.#parts;
    const { random } = scheduler;
    if (this.directory.mustRedo(bootId) && random.chance(REDO_CUT_RATE)) {
      this.directory.open(bootId, random.below(3));
    }
    const core = new Replica({ ...this.directory.open(bootId), bootId }, LONGEST_LEASE_MS);
    this.#parts.onSeen(this);
    this.#run = { core, process: new Process(scheduler, process) };
  }

  /** kill -9, or with the whole machine. */
  crash(hasPower = true): void {
    this.#run?.process.end();
    this.#run = undefined;
    this.crashAfter = undefined;
    for (const { toController } of this.#connections.values()) {
      if (hasPower) toController.end({ kind: 'closed' });
      else toController.vanish();
    }
    for (const table of [this.#connections, this.#epochs, this.#arrived]) table.clear();
  }

  /** SIGTERM. */
  shutDown(): void {
    const run = this.#run;
    run?.process.post(() => this.#turn(run, { kind: 'shutdown' }));
  }

  /** Something came in at its port. */
  receive(connection: Connection, message: ToReplica): void {
    const run = this.#run;
    const isKnown = this.#connections.has(connection.id);
    if (run === undefined || !(isKnown || message.kind === 'hello')) {
      if (message.kind !== 'closed') connection.toController.end({ kind: 'closed' });
      return;
    }
    this.#connections.set(connection.id, connection);
    const waiting = this.#arrived.get(connection.id) ?? [];
    this.#arrived.set(connection.id, waiting);
    // What comes while the process is busy is read from the socket at once, in one turn.
    if (waiting.push(message) > 1) return;
    run.process.post(() => this.#read(run, connection, waiting.splice(0)));
  }

  /** As the real driver: frames that came together are stepped first, then carried out together. */
  #read(run: Run, { id }: Connection, messages: readonly ToReplica[]): void {
    let events: ReplicaEvent[] = [];
    for (const message of messages) {
      const { nowMs } = run.process.clock;
      if (message.kind === 'frame') {
        if (message.frame.opcode === OPCODE.CHECKPOINT) this.#parts.onCheckpoint(this);
        events.push({ kind: 'frame', connection: id, frame: message.frame, nowMs });
        continue;
      }
      if (events.length > 0) this.#turn(run, ...events);
      events = [];
      if (message.kind === 'hello') {
        this.#epochs.set(id, message.hello.epoch);
        this.#turn(run, { kind: 'hello', connection: id, hello: message.hello, nowMs });
      } else {
        this.#connections.delete(id);
        this.#arrived.delete(id);
        this.#turn(run, { kind: 'closed', connection: id });
      }
    }
    if (events.length > 0) this.#turn(run, ...events);
  }

  #turn(run: Run, ...events: readonly ReplicaEvent[]): void {
    const effects: ReplicaEffect[] = [];
    for (const event of events) if (run === this.#run) run.core.step(event, effects);
    this.#carryOutAll(run, effects);
    if (run !== this.#run) return;
    run.core.step({ kind: 'turn-ended' }, effects);
    this.#carryOutAll(run, effects);
  }

  /** Effects may bring more of them, which are carried out behind those that stand in line. */
  #carryOutAll(run: Run, effects: ReplicaEffect[]): void {
    for (let index = 0; index < effects.length && run === this.#run; index += 1) {
      const effect = effects[index]!;
      if (this.crashAfter !== undefined) {
        this.crashAfter -= 1;
        if (this.crashAfter < 0) return this.#crashWithin(effect);
      }
      this.#carryOut(run, effect, effects);
    }
    effects.length = 0;
  }

  /** Killed in the middle of a system call: some of its blocks or slots are written. */
  #crashWithin(effect: ReplicaEffect): void {
    const { random } = this.#parts.scheduler;
    if (effect.kind === 'persist') this.directory.persist(effect.metadata, true);
    if (effect.kind === 'write' && this.#connections.has(effect.connection)) {
      const blocks = decodeBlocks(effect.frame.payload);
      const count = random.below(blocks.length + 1);
      this.directory.data.write(blocksOf(effect.frame).first, blocks.slice(0, count));
    }
    this.#parts.trace.fault(`${this.replicaId} is killed within ${effect.kind}`);
    this.crash();
    this.#parts.onStop(this);
  }

  #carryOut(run: Run, effect: ReplicaEffect, effects: ReplicaEffect[]): void {
    switch (effect.kind) {
      case 'persist':
        return this.directory.persist(effect.metadata);
      case 'fdatasync':
        return this.#sync(run);
      case 'save':
        return this.#save(run, effect);
      case 'note':
        return this.directory.store.journal.write(effect.page);
      case 'stop':
        this.#parts.trace.stop(this.replicaId, effect);
        this.crash();
        return this.#parts.onStop(this);
    }
    const connection = this.#connections.get(effect.connection);
    if (connection === undefined) {
      if (effect.kind !== 'write' && effect.kind !== 'trim') return;
      // It was recorded as a change already; that it never happened must be known too.
      const { connection: id, frame } = effect;
      const dropped = { kind: 'executed', connection: id, frame, status: STATUS.INVALID } as const;
      return run.core.step(dropped, effects);
    }
    switch (effect.kind) {
      case 'write':
      case 'trim':
      case 'read':
      case 'map':
      case 'hash':
      case 'grow':
        return this.#execute(run, connection, effect, effects);
      case 'reserve': {
        const status = this.isFull ? STATUS.NO_SPACE : STATUS.OK;
        return run.core.step({ kind: 'reserved', connection: connection.id, status }, effects);
      }
      case 'reply': {
        const { opcode, seq, status, payload = NO_PAYLOAD } = effect;
        const frame = { ...NO_FIELDS, opcode, seq, status, payload };
        return connection.toController.send({ kind: 'frame', frame });
      }
      case 'welcome':
        this.#parts.onSeen(this);
        return connection.toController.send({ kind: 'welcome', welcome: effect.welcome });
      case 'refuse':
        connection.toController.send({ kind: 'refused', refusal: effect.refusal });
        this.#connections.delete(connection.id);
        return;
      case 'close':
        connection.toController.end({ kind: 'closed' });
        this.#connections.delete(connection.id);
        return;
    }
  }

  #execute(
    run: Run,
    connection: Connection,
    effect: RequestEffect,
    effects: ReplicaEffect[],
  ): void {
    const { frame } = effect;
    const status = this.#attempt(effect, connection);
    const isChange = effect.kind === 'write' || effect.kind === 'trim' || effect.kind === 'grow';
    if (isChange || status !== STATUS.OK) {
      const { connection: id } = effect;
      run.core.step({ kind: 'executed', connection: id, frame, status }, effects);
    } else if (effect.kind === 'read') {
      const reply = makeReadReply(this.directory.data, frame, effect.generation);
      connection.toController.send({ kind: 'frame', frame: reply });
    } else if (effect.kind === 'map') {
      connection.toController.send({
        kind: 'frame',
        frame: makeMapReply(this.directory.data, frame),
      });
    } else if (effect.kind === 'hash') {
      const reply = makeHashesReply(this.directory.data, frame, effect.stamps);
      connection.toController.send({ kind: 'frame', frame: reply });
    }
  }

  #attempt({ kind, frame }: RequestEffect, connection: Connection): Status {
    const isRead = kind === 'read' || kind === 'hash' || kind === 'map';
    const hasFailed = this.failure === (isRead ? 'read' : 'write');
    if (hasFailed) this.failure = undefined;
    if (isRead) return hasFailed ? STATUS.IO_FAILED : STATUS.OK;
    if (kind === 'grow') return this.#grow(frame.offset, hasFailed);
    this.#parts.onChange(this, this.#epochs.get(connection.id) ?? 0);
    const { data } = this.directory;
    const { random } = this.#parts.scheduler;
    if (kind === 'trim') {
      if (!hasFailed) data.trim(blocksOf(frame));
      return hasFailed ? STATUS.IO_FAILED : STATUS.OK;
    }
    const blocks = decodeBlocks(frame.payload);
    const isReserved = (frame.flags & (FLAG.ATOMIC | FLAG.STAGED)) !== 0;
    const isFull = this.isFull && (!isReserved || random.chance(UNRESERVED_RATE));
    // A write that fails may have been done in part.
    if (hasFailed || isFull) blocks.length = random.below(blocks.length + 1);
    data.write(blocksOf(frame).first, blocks);
    if (random.chance(WRITE_BACK_RATE)) data.writeBackSome(random);
    if (hasFailed) return STATUS.IO_FAILED;
    return isFull ? STATUS.NO_SPACE : STATUS.OK;
  }

  #grow(sizeBytes: number, hasFailed: boolean): Status {
    if (hasFailed) return STATUS.IO_FAILED;
    if (this.isFull) return STATUS.NO_SPACE;
    this.directory.grow(sizeBytes);
    return STATUS.OK;
  }

  // What takes its time.

  #sync(run: Run): void {
    const { scheduler } = this.#parts;
    const { directory } = this;
    const finish = directory.data.startSync();
    this.#later(this.syncMs, () => {
      if (run !== this.#run) return;
      const isLate = this.failure === 'sync-late';
      if (this.failure !== 'sync' && !isLate) {
        finish();
        run.process.post(() => this.#turn(run, { kind: 'synced', failure: undefined }));
        return;
      }
      this.failure = undefined;
      // What was read before the process hears of it was there: no program can do better.
      run.process.post(() => {
        directory.data.failSync(scheduler.random, isLate);
        this.#parts.onDamage(this);
        if (isLate) this.#forgetLater(directory);
        this.#turn(run, { kind: 'synced', failure: 'EIO' });
      });
    });
  }

  /** Some time later the kernel needs the memory of pages that it takes for clean. */
  #forgetLater({ data }: Directory): void {
    this.#later(FORSAKEN_MS, () => {
      data.dropForsaken(this.#parts.scheduler.random);
      this.#parts.onDamage(this);
    });
  }

  #save(run: Run, { file, pages }: Extract<ReplicaEffect, { kind: 'save' }>): void {
    const { random } = this.#parts.scheduler;
    const store = this.directory.store[file];
    const answer = (failure: string | undefined, isFull = false): void =>
      run.process.post(() => this.#turn(run, { kind: 'saved', failure, isFull }));
    // The hot file is allocated when it is made, and the journal but for long records.
    const needsSpace = file === 'regions' || (file === 'journal' && random.chance(UNRESERVED_RATE));
    const isRefused = this.isFull && needsSpace;
    if (!isRefused || file === 'journal') {
      for (const page of pages) if (random.chance(0.5)) store.write(page);
    }
    this.#later(this.saveMs, () => {
      if (run !== this.#run) return;
      if (isRefused) return answer('ENOSPC', true);
      for (const page of pages) store.write(page);
      if (this.failure !== 'save') {
        store.sync();
        return answer(undefined);
      }
      this.failure = undefined;
      store.failSync(random);
      this.#parts.onDamage(this);
      answer('EIO');
    });
  }

  #later(maxMs: number, action: () => void): void {
    const { scheduler } = this.#parts;
    scheduler.after(scheduler.random.between(maxMs / 5, maxMs), action);
  }
}
