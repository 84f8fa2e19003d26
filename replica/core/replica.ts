import { assert, unreachable } from '../common/assert.ts';
import { MAX_IO_BYTES, MAX_TRIM_BYTES } from '../common/limits.ts';
import { FLAG, OPCODE, type Opcode, PROTOCOL_VERSION, STATUS } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Hello } from '../protocol/hello.ts';
import type { Metadata } from '../store/metadata-record.ts';
import type { ConnectionId, ReplicaEffect, ReplicaEvent, ReplicaStatus } from './step.ts';
import { whyRefused } from './why-refused.ts';
import { WriteTail } from './write-tail.ts';

/** Who waits for an fdatasync that starts after what it asked for was executed (I8). */
type Waiter =
  | { readonly kind: 'request'; readonly connection: ConnectionId; readonly frame: Answerable }
  | { readonly kind: 'goodbye'; readonly connection: ConnectionId; readonly frame: Answerable }
  | { readonly kind: 'shutdown' };

/** What a reply repeats; without the payload, so that no receive buffer is kept. */
type Answerable = Pick<Frame, 'opcode' | 'seq'>;

/** One copy of a volume: fencing, order, tail and flushes. `step(event) → effects`, no I/O. */
export class Replica {
  #metadata: Metadata;
  readonly #bootId: string;
  readonly #tail: WriteTail;
  /** The one connection whose frames count. */
  #current: ConnectionId | undefined;
  #isStopping = false;
  /** For the next fdatasync. */
  #waiting: Waiter[] = [];
  /** For the one under way; undefined when there is none. */
  #syncing: Waiter[] | undefined;

  constructor(metadata: Metadata, bootId: string) {
    this.#metadata = metadata;
    this.#bootId = bootId;
    this.#tail = new WriteTail(metadata.isClean);
  }

  get status(): ReplicaStatus {
    const { volumeId, replicaId, dataId, sizeBytes } = this.#metadata;
    const { epoch, session, isPristine, instanceId } = this.#metadata;
    const controller = this.#current === undefined ? null : instanceId;
    const tailLength = this.#tail.length;
    return {
      ...{ volumeId, replicaId, dataId, sizeBytes },
      ...{ epoch, session, isPristine, controller, tailLength },
    };
  }

  step(event: ReplicaEvent, effects: ReplicaEffect[]): void {
    switch (event.kind) {
      case 'frame':
        // Frames of a connection that was replaced are from an older controller (I4).
        if (event.connection !== this.#current || this.#isStopping) return;
        this.#onFrame(event.connection, event.frame, effects);
        return;
      case 'executed':
        this.#onExecuted(event, effects);
        return;
      case 'turn-ended':
        this.#startSync(effects);
        return;
      case 'synced':
        this.#onSynced(event.failure, effects);
        return;
      case 'hello':
        this.#onHello(event.connection, event.hello, effects);
        return;
      case 'closed':
        if (event.connection === this.#current) this.#current = undefined;
        return;
      case 'malformed':
        this.#violation(event.connection, 'payload does not decompress', effects);
        return;
      case 'shutdown':
        this.#isStopping = true;
        this.#waiting.push({ kind: 'shutdown' });
        return;
      default:
        unreachable(event, 'event');
    }
  }

  #onHello(connection: ConnectionId, hello: Hello, effects: ReplicaEffect[]): void {
    const refusal = whyRefused(this.#metadata, hello, this.#isStopping);
    if (refusal !== undefined) {
      effects.push({ kind: 'refuse', connection, refusal });
      return;
    }
    // All that the older connection sent and we took in has been executed by now; what it still
    // has under way is discarded with it.
    if (this.#current !== undefined) {
      const reason = `replaced by epoch ${hello.epoch}, instance ${hello.instanceId}`;
      effects.push({ kind: 'close', connection: this.#current, reason });
    }
    if (hello.instanceId !== this.#metadata.instanceId || hello.epoch !== this.#metadata.epoch) {
      this.#tail.beginInstance();
    }
    this.#current = connection;
    this.#persist(
      {
        epoch: hello.epoch,
        instanceId: hello.instanceId,
        session: this.#metadata.session + 1,
        isClean: false,
      },
      effects,
    );
    const { volumeId, replicaId, dataId, sizeBytes, isPristine, session } = this.#metadata;
    const { lastSeq } = this.#tail;
    const tail = this.#tail.describe();
    const welcome = {
      ...{ protocolVersion: PROTOCOL_VERSION, volumeId, replicaId, dataId, sizeBytes },
      ...{ isPristine, session, lastSeq, bootId: this.#bootId, tail },
    };
    effects.push({ kind: 'welcome', connection, welcome });
  }

  #onFrame(connection: ConnectionId, frame: Frame, effects: ReplicaEffect[]): void {
    this.#tail.settle(frame.stableSeq);
    switch (frame.opcode) {
      case OPCODE.READ:
        if (!this.#isWithin(frame, MAX_IO_BYTES)) {
          this.#invalid(connection, frame, effects);
          return;
        }
        effects.push({ kind: 'read', connection, frame });
        return;
      case OPCODE.WRITE:
        this.#onWrite(connection, frame, effects);
        return;
      case OPCODE.TRIM:
        if (!this.#isWithin(frame, MAX_TRIM_BYTES)) {
          this.#invalid(connection, frame, effects);
          return;
        }
        this.#beforeChange(frame, effects);
        effects.push({ kind: 'trim', connection, frame });
        return;
      case OPCODE.FLUSH:
        this.#waiting.push({ kind: 'request', connection, frame: answerable(frame) });
        return;
      case OPCODE.HEARTBEAT:
        effects.push(reply(connection, frame, STATUS.OK));
        return;
      case OPCODE.STATUS: {
        const payload = Buffer.from(JSON.stringify(this.status), 'utf8');
        effects.push({ ...reply(connection, frame, STATUS.OK), payload });
        return;
      }
      case OPCODE.GOODBYE:
        this.#tail.clear();
        this.#waiting.push({ kind: 'goodbye', connection, frame: answerable(frame) });
        return;
      default:
        this.#violation(connection, `opcode ${frame.opcode} is no request`, effects);
    }
  }

  #onWrite(connection: ConnectionId, frame: Frame, effects: ReplicaEffect[]): void {
    if (!this.#isWithin(frame, MAX_IO_BYTES)) {
      this.#invalid(connection, frame, effects);
      return;
    }
    const isRaw = (frame.flags & FLAG.LZ4) === 0;
    if (isRaw && frame.payload.length !== frame.length) {
      const reason = `write of ${frame.length} bytes with ${frame.payload.length} in the payload`;
      this.#violation(connection, reason, effects);
      return;
    }
    this.#beforeChange(frame, effects);
    effects.push({ kind: 'write', connection, frame });
  }

  #onExecuted(
    { connection, frame, status }: Extract<ReplicaEvent, { kind: 'executed' }>,
    effects: ReplicaEffect[],
  ): void {
    if (status === STATUS.OK && (frame.flags & FLAG.FUA) !== 0) {
      this.#waiting.push({ kind: 'request', connection, frame: answerable(frame) });
      return;
    }
    effects.push(reply(connection, frame, status));
    if (status === STATUS.IO_FAILED) this.#fail('the data file cannot be read or written', effects);
  }

  #startSync(effects: ReplicaEffect[]): void {
    if (this.#syncing !== undefined || this.#waiting.length === 0) return;
    this.#syncing = this.#waiting;
    this.#waiting = [];
    effects.push({ kind: 'fdatasync' });
  }

  #onSynced(failure: string | undefined, effects: ReplicaEffect[]): void {
    const waiters = this.#syncing;
    assert(waiters !== undefined, 'an fdatasync was under way');
    this.#syncing = undefined;
    for (const waiter of waiters) {
      if (waiter.kind === 'shutdown') {
        if (failure === undefined) this.#finish(effects);
      } else if (waiter.connection === this.#current) {
        const status = failure === undefined ? STATUS.OK : STATUS.IO_FAILED;
        if (waiter.kind === 'goodbye' && failure === undefined) this.#leave(effects);
        effects.push(reply(waiter.connection, waiter.frame, status));
      }
    }
    // Never retried: the kernel may have dropped the pages, and a second call would say "done".
    if (failure !== undefined) this.#fail(`fdatasync failed: ${failure}`, effects);
  }

  /** The controller went away in good order. Frames that it still sends are dropped. */
  #leave(effects: ReplicaEffect[]): void {
    this.#current = undefined;
    this.#persistClean(effects);
  }

  #finish(effects: ReplicaEffect[]): void {
    this.#current = undefined;
    this.#persistClean(effects);
    effects.push({ kind: 'stop', isFailure: false, reason: 'asked to stop' });
  }

  #fail(reason: string, effects: ReplicaEffect[]): void {
    this.#isStopping = true;
    effects.push({ kind: 'stop', isFailure: true, reason });
  }

  #persistClean(effects: ReplicaEffect[]): void {
    if (this.#tail.isEmpty && !this.#metadata.isClean) this.#persist({ isClean: true }, effects);
  }

  #persist(change: Partial<Metadata>, effects: ReplicaEffect[]): void {
    this.#metadata = { ...this.#metadata, ...change };
    effects.push({ kind: 'persist', metadata: this.#metadata });
  }

  /** Once in a copy's life the first change waits until the metadata says that there is data. */
  #beforeChange(frame: Frame, effects: ReplicaEffect[]): void {
    this.#tail.add(frame.seq, frame.offset, frame.offset + frame.length);
    if (this.#metadata.isPristine) this.#persist({ isPristine: false }, effects);
  }

  /** Whether a request means at least one byte, at most `limit`, within the volume (I11). */
  #isWithin({ offset, length }: Frame, limit: number): boolean {
    return length > 0 && length <= limit && offset + length <= this.#metadata.sizeBytes;
  }

  #invalid(connection: ConnectionId, frame: Frame, effects: ReplicaEffect[]): void {
    effects.push(reply(connection, frame, STATUS.INVALID));
  }

  #violation(connection: ConnectionId, reason: string, effects: ReplicaEffect[]): void {
    if (connection === this.#current) this.#current = undefined;
    effects.push({ kind: 'close', connection, reason: `protocol violation: ${reason}` });
  }
}

function answerable({ opcode, seq }: Frame): Answerable {
  return { opcode, seq };
}

function reply(
  connection: ConnectionId,
  { opcode, seq }: Answerable,
  status: (typeof STATUS)[keyof typeof STATUS],
): Extract<ReplicaEffect, { kind: 'reply' }> {
  const replyOpcode = REPLY_OPCODES.get(opcode);
  assert(replyOpcode !== undefined, 'only requests are answered', { opcode });
  return { kind: 'reply', connection, opcode: replyOpcode, seq, status };
}

const REPLY_OPCODES: ReadonlyMap<Opcode, Opcode> = new Map([
  [OPCODE.READ, OPCODE.READ_REPLY],
  [OPCODE.WRITE, OPCODE.WRITE_REPLY],
  [OPCODE.FLUSH, OPCODE.FLUSH_REPLY],
  [OPCODE.TRIM, OPCODE.TRIM_REPLY],
  [OPCODE.STATUS, OPCODE.STATUS_REPLY],
  [OPCODE.HEARTBEAT, OPCODE.HEARTBEAT_REPLY],
  [OPCODE.GOODBYE, OPCODE.GOODBYE_REPLY],
]);
