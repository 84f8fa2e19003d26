import { Replica } from '../../../replica/core/replica.ts';
import type { ReplicaEffect, ReplicaEvent } from '../../../replica/core/step.ts';
import { FLAG, OPCODE, STATUS, type Status } from '../../../replica/protocol/constants.ts';
import { type Frame, NO_PAYLOAD } from '../../../replica/protocol/frame.ts';
import type { Metadata } from '../../../replica/store/metadata-record.ts';
import { type Connection, type ToReplica, Valve } from './network.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * A replica process on its directory: the real core, an in-memory disk. A crash loses the process
 * and its connections; what was written stays, as the page cache survives a kill -9.
 */
export class SimReplica {
  readonly replicaId: string;
  readonly data: Buffer;
  /** Closes the way from, or to, every controller. */
  readonly requests = new Valve();
  readonly replies = new Valve();
  /** Every write and trim is refused while this holds. */
  isFull = false;
  /** The longest that an fdatasync takes. */
  fsyncMs = 5;
  /** Writes and trims done, and how many of them are on stable storage. */
  changeCount = 0;
  durableCount = 0;
  readonly #scheduler: Scheduler;
  readonly #connections = new Map<number, Connection>();
  #metadata: Metadata;
  #core: Replica | undefined;

  constructor(scheduler: Scheduler, metadata: Metadata) {
    this.#scheduler = scheduler;
    this.#metadata = metadata;
    this.replicaId = metadata.replicaId;
    this.data = Buffer.alloc(metadata.sizeBytes);
    this.start();
  }

  get isRunning(): boolean {
    return this.#core !== undefined;
  }

  get metadata(): Metadata {
    return this.#metadata;
  }

  start(): void {
    this.#core ??= new Replica(this.#metadata, 'boot');
  }

  crash(): void {
    this.#core = undefined;
    for (const { toController } of this.#connections.values()) toController.cut({ kind: 'closed' });
    this.#connections.clear();
  }

  /** The directory is lost: the replica comes up with an empty one, under a data id of its own. */
  replaceDirectory(dataId: string): void {
    this.crash();
    this.data.fill(0);
    const blank = { epoch: 0, instanceId: null, session: 0, isClean: true, isPristine: true };
    this.#metadata = { ...this.#metadata, ...blank, dataId };
    this.start();
  }

  accept(connection: Connection): void {
    this.#connections.set(connection.id, connection);
  }

  receive(connection: Connection, message: ToReplica): void {
    if (!this.#connections.has(connection.id)) return;
    const { id } = connection;
    if (message.kind === 'closed') {
      this.#connections.delete(id);
      this.#turn({ kind: 'closed', connection: id });
    } else if (message.kind === 'hello') {
      this.#turn({ kind: 'hello', connection: id, hello: message.hello });
    } else {
      this.#turn({ kind: 'frame', connection: id, frame: message.frame });
    }
  }

  #turn(event: ReplicaEvent): void {
    this.#step(event);
    this.#step({ kind: 'turn-ended' });
  }

  #step(event: ReplicaEvent): void {
    const core = this.#core;
    if (core === undefined) return;
    const effects: ReplicaEffect[] = [];
    core.step(event, effects);
    for (let index = 0; index < effects.length; index += 1) {
      this.#carryOut(core, effects[index]!, effects);
    }
  }

  #carryOut(core: Replica, effect: ReplicaEffect, effects: ReplicaEffect[]): void {
    if (effect.kind === 'persist') {
      this.#metadata = effect.metadata;
      return;
    }
    if (effect.kind === 'fdatasync') {
      const { changeCount } = this;
      this.#scheduler.after(this.#scheduler.between(this.fsyncMs / 5, this.fsyncMs), () => {
        if (core !== this.#core) return;
        this.durableCount = changeCount;
        this.#turn({ kind: 'synced', failure: undefined });
      });
      return;
    }
    if (effect.kind === 'stop') {
      this.crash();
      return;
    }
    const connection = this.#connections.get(effect.connection);
    if (connection === undefined) return;
    switch (effect.kind) {
      case 'write':
      case 'trim': {
        const { connection: id, frame } = effect;
        core.step(
          { kind: 'executed', connection: id, frame, status: this.#change(frame) },
          effects,
        );
        return;
      }
      case 'read':
        connection.toController.send({ kind: 'frame', frame: this.#read(effect.frame) });
        return;
      case 'reply': {
        const { opcode, seq, status, payload = NO_PAYLOAD } = effect;
        const frame = { ...NO_FIELDS, opcode, seq, status, payload };
        connection.toController.send({ kind: 'frame', frame });
        return;
      }
      case 'welcome':
        connection.toController.send({ kind: 'welcome', welcome: effect.welcome });
        return;
      case 'refuse':
        connection.toController.send({ kind: 'refused', refusal: effect.refusal });
        this.#connections.delete(connection.id);
        return;
      case 'close':
        connection.toController.cut({ kind: 'closed' });
        this.#connections.delete(connection.id);
    }
  }

  #change({ opcode, offset, length, payload }: Frame): Status {
    if (this.isFull) return STATUS.NO_SPACE;
    this.changeCount += 1;
    if (opcode === OPCODE.TRIM) this.data.fill(0, offset, offset + length);
    else payload.copy(this.data, offset);
    return STATUS.OK;
  }

  #read({ seq, offset, length }: Frame): Frame {
    const fields = { ...NO_FIELDS, opcode: OPCODE.READ_REPLY, seq, offset, length };
    const bytes = this.data.subarray(offset, offset + length);
    if (bytes.equals(ZEROS.subarray(0, length))) return { ...fields, flags: FLAG.ZERO };
    return { ...fields, payload: Buffer.from(bytes) };
  }
}

const NO_FIELDS = {
  ...{ flags: 0, status: STATUS.OK, stableSeq: 0, offset: 0, length: 0, payload: NO_PAYLOAD },
};
const ZEROS = Buffer.alloc(1024 * 1024);
