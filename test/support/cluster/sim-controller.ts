import type { VolumeSpec } from '../../../controller/protocol/registration.ts';
import type { VolumeOperation, VolumeOutcome } from '../../../controller/volume/operation.ts';
import { makeReadPayload } from '../../../controller/volume/read-payload.ts';
import type {
  CopyIndex,
  RequestHandle,
  SendEffect,
  VolumeEffect,
  VolumeEvent,
} from '../../../controller/volume/step.ts';
import type { Timing } from '../../../controller/volume/timing.ts';
import { Volume } from '../../../controller/volume/volume.ts';
import { ERROR_CODES, type ErrorCode } from '../../../replica/common/errors.ts';
import { type Frame, NO_PAYLOAD } from '../../../replica/protocol/frame.ts';
import type { Hello } from '../../../replica/protocol/hello.ts';
import { breakConnection, type Connection, Pipe, type ToController } from './network.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimRegistry } from './sim-registry.ts';
import type { SimReplica } from './sim-replica.ts';

/** The waits of the data path, in the proportions of the real ones but much shorter. */
export const SIM_TIMING: Timing = {
  holdMs: 500,
  heartbeatMs: 50,
  silenceMs: 150,
  operationMs: 400,
  gatherMs: 100,
  registryRetryMs: 20,
};

interface Link {
  hello: Omit<Hello, 'nonce'>;
  connection: Connection | undefined;
  isUp: boolean;
}

export interface SimControllerParts {
  readonly scheduler: Scheduler;
  readonly registry: SimRegistry;
  readonly replicas: readonly SimReplica[];
  readonly spec: VolumeSpec;
  readonly instanceId: string;
}

/** A controller process: the real volume core, with simulated links, registry and ticks. */
export class SimController {
  readonly instanceId: string;
  readonly volume: Volume;
  readonly notices: string[] = [];
  /** Why it ended by itself. */
  stopCode: ErrorCode | 'stopped' | undefined;
  isAlive = true;
  /** Whether it ever served. */
  wasActive = false;
  readonly #parts: SimControllerParts;
  readonly #links = new Map<CopyIndex, Link>();
  readonly #requests = new Map<RequestHandle, (outcome: VolumeOutcome) => void>();
  readonly #onActive: () => void;

  constructor(parts: SimControllerParts, onActive: () => void) {
    this.#parts = parts;
    this.#onActive = onActive;
    this.instanceId = parts.instanceId;
    this.volume = new Volume(makeReadPayload(NO_LZ4), SIM_TIMING);
    const { scheduler, registry, spec } = parts;
    const identity = { instanceId: this.instanceId, address: 'sim:3260' };
    const registration = { volume: spec, membership: registry.record, addresses: {} };
    const { nowMs } = scheduler;
    this.step({ kind: 'start', registration, identity, random: scheduler.random(), nowMs });
    this.#tickLater();
  }

  /** `done` is called when the operation completes; never when this controller ends before that. */
  submit(operation: VolumeOperation, done: (outcome: VolumeOutcome) => void): RequestHandle {
    const request = {};
    this.#requests.set(request, (outcome) => {
      // As a real controller uses this memory again: whoever still looks at it sees garbage.
      if (outcome.ok && operation.kind === 'write') operation.data.fill(0xee);
      done(outcome);
    });
    this.step({ kind: 'request', request, operation, nowMs: this.#parts.scheduler.nowMs });
    return request;
  }

  step(event: VolumeEvent): void {
    if (!this.isAlive) return;
    const effects: VolumeEffect[] = [];
    this.volume.step(event, effects);
    if (this.volume.isActive && !this.wasActive) {
      this.wasActive = true;
      this.#onActive();
    }
    for (const effect of effects) if (this.isAlive) this.#carryOut(effect);
  }

  /** kill -9: nothing more comes of it, except what is already on the network. */
  crash(): void {
    this.isAlive = false;
    for (const { connection } of this.#links.values()) {
      connection?.toReplica.cut({ kind: 'closed' });
    }
  }

  /** The network drops the connection to one copy. */
  breakLink(copy: CopyIndex): void {
    const connection = this.#links.get(copy)?.connection;
    if (connection !== undefined) breakConnection(connection);
  }

  #tickLater(): void {
    const { scheduler } = this.#parts;
    scheduler.after(SIM_TIMING.heartbeatMs, () => {
      if (!this.isAlive) return;
      this.step({ kind: 'tick', nowMs: scheduler.nowMs });
      this.#tickLater();
    });
  }

  #carryOut(effect: VolumeEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#send(effect);
        return;
      case 'complete': {
        const done = this.#requests.get(effect.request);
        if (done === undefined) throw new Error('a request completed twice');
        this.#requests.delete(effect.request);
        done(effect.outcome);
        return;
      }
      case 'connect':
        this.#connect(effect.copy, effect.hello);
        return;
      case 'disconnect':
        this.#disconnect(effect.copy);
        return;
      case 'change-record':
        this.#parts.scheduler.after(effect.afterMs, () => this.#change(effect.membership));
        return;
      case 'notice':
        this.notices.push(`${effect.message} ${JSON.stringify(effect.fields)}`);
        return;
      case 'stop':
        this.stopCode = effect.code;
        this.crash();
        return;
      case 'stopped':
        this.stopCode = 'stopped';
        this.crash();
    }
  }

  #send(effect: SendEffect): void {
    const { opcode, flags, seq, stableSeq, offset, length, data = NO_PAYLOAD } = effect;
    const frame: Frame = {
      ...{ opcode, flags, status: 0, seq, stableSeq, offset, length },
      payload: Buffer.from(data),
    };
    for (const [copy, link] of this.#links) {
      if ((effect.copies & (1 << copy)) === 0 || !link.isUp) continue;
      link.connection?.toReplica.send({ kind: 'frame', frame });
    }
  }

  #change(membership: Parameters<SimRegistry['change']>[0]): void {
    const { registry, scheduler } = this.#parts;
    registry.change(membership, (current) => {
      const { nowMs } = scheduler;
      if (current === undefined) this.step({ kind: 'record-unknown', nowMs });
      else this.step({ kind: 'record', membership: current, nowMs });
    });
  }

  #connect(copy: CopyIndex, hello: Link['hello']): void {
    const link = this.#links.get(copy);
    if (link !== undefined) {
      link.hello = hello;
      return;
    }
    const added: Link = { hello, connection: undefined, isUp: false };
    this.#links.set(copy, added);
    this.#open(copy, added);
  }

  #disconnect(copy: CopyIndex): void {
    const link = this.#links.get(copy);
    if (link === undefined) return;
    link.connection?.toReplica.cut({ kind: 'closed' });
    this.#reconnectLater(copy, link);
  }

  #reconnectLater(copy: CopyIndex, link: Link): void {
    link.connection = undefined;
    link.isUp = false;
    const { scheduler } = this.#parts;
    scheduler.after(scheduler.between(2, 20), () => {
      if (this.isAlive && link.connection === undefined) this.#open(copy, link);
    });
  }

  #open(copy: CopyIndex, link: Link): void {
    const { scheduler, replicas } = this.#parts;
    const replica = replicas[copy];
    if (replica === undefined) throw new Error(`no replica ${copy}`);
    if (!replica.isRunning) {
      this.#down(copy, link, 'UNAVAILABLE');
      return;
    }
    lastConnection += 1;
    const connection: Connection = {
      id: lastConnection,
      toReplica: new Pipe(scheduler, replica.requests, (message) =>
        replica.receive(connection, message),
      ),
      toController: new Pipe(scheduler, replica.replies, (message) => {
        if (link.connection === connection) this.#receive(copy, link, message);
      }),
    };
    link.connection = connection;
    replica.accept(connection);
    connection.toReplica.send({ kind: 'hello', hello: { ...link.hello, nonce: 'n' } });
  }

  #receive(copy: CopyIndex, link: Link, message: ToController): void {
    const { nowMs } = this.#parts.scheduler;
    switch (message.kind) {
      case 'welcome':
        link.isUp = true;
        this.step({ kind: 'link-up', copy, welcome: message.welcome, nowMs });
        return;
      case 'frame':
        this.step({ kind: 'frame', copy, frame: message.frame, nowMs });
        return;
      case 'refused':
        this.#down(copy, link, toErrorCode(message.refusal.code));
        return;
      case 'closed':
        this.#down(copy, link, 'UNAVAILABLE');
    }
  }

  #down(copy: CopyIndex, link: Link, code: ErrorCode): void {
    this.#reconnectLater(copy, link);
    this.step({ kind: 'link-down', copy, code, nowMs: this.#parts.scheduler.nowMs });
  }
}

/** Unique in the whole process; nothing depends on the number itself. */
let lastConnection = 0;

const NO_LZ4 = {
  decompress: (): never => {
    throw new Error('nothing is compressed here');
  },
};

function toErrorCode(code: string): ErrorCode {
  if (!Object.hasOwn(ERROR_CODES, code)) throw new Error(`unknown code ${code}`);
  return code as ErrorCode;
}
