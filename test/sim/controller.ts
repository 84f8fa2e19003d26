import type { Membership } from '../../controller/protocol/membership.ts';
import type { FailureMode, Registration } from '../../controller/protocol/registration.ts';
import type { CopyStatus } from '../../controller/protocol/status.ts';
import type { VolumeOperation, VolumeOutcome } from '../../controller/volume/operation.ts';
import type { RequestHandle, VolumeEffect, VolumeEvent } from '../../controller/volume/step.ts';
import type { Timing } from '../../controller/volume/timing.ts';
import { Volume } from '../../controller/volume/volume.ts';
import type { ErrorCode } from '../../replica/common/errors.ts';
import { readPayload, reuseData } from './content.ts';
import { type Dial, Links } from './links.ts';
import type { Process } from './process.ts';
import type { SimRegistry } from './registry.ts';
import type { Scheduler } from './scheduler.ts';
import { REGISTRY_ANSWER_MS } from './timing.ts';
import type { Trace } from './trace.ts';

export interface ControllerParts {
  readonly scheduler: Scheduler;
  readonly registry: SimRegistry;
  readonly process: Process;
  readonly timing: Timing;
  readonly dial: Dial;
  readonly trace: Trace;
  /** Names the process and, since each has an address of its own, its host. */
  readonly instanceId: string;
  readonly onServing: (controller: SimController) => void;
  readonly onPowerLost: (controller: SimController) => void;
  readonly onResized: (sizeBytes: number) => void;
  readonly onEnd: (controller: SimController) => void;
}

/** Loading the program, before the registry is asked. */
const MAX_BOOT_MS = 10;
const RETRY_READ_MS = 10;
const UNIT_ATTENTION: VolumeOutcome = { ok: false, reason: 'NOT_READY' };
/** Longer than the registry holds a question for news open. */
const READ_ANSWER_MS = 700;

/** A controller process: the real volume core, with simulated links, registry and ticks. */
export class SimController {
  readonly instanceId: string;
  readonly volume: Volume;
  readonly process: Process;
  /** Why it ended by itself. */
  stopCode: ErrorCode | 'stopped' | undefined;
  /** Whether it ever served. */
  wasActive = false;
  readonly notices: string[] = [];
  /** What its initiators may use. */
  sizeBytes = 0;
  /** Of the newest registration that it has heard of. */
  revision = 0;
  /** As far as it knows. */
  failureMode: FailureMode | undefined;
  /** The process is killed after so many effects more. */
  crashAfter: number | undefined;
  readonly #parts: ControllerParts;
  readonly #links: Links;
  readonly #requests = new Map<RequestHandle, (outcome: VolumeOutcome) => void>();
  /** The effects of this turn. */
  #effects: VolumeEffect[] = [];
  #isStarted = false;
  /**
   * How often it told initiators that writes may be gone. What they had sent by then, and had not
   * arrived, the device server answers with that, and it never comes to the volume.
   */
  #attentions = 0;
  /** What came before that. */
  readonly #early: (() => void)[] = [];

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    this.process = parts.process;
    this.instanceId = parts.instanceId;
    this.volume = new Volume(readPayload, parts.timing);
    this.#links = new Links(parts.process, parts.dial, {
      onUp: (copy, welcome) => this.#step({ kind: 'link-up', copy, welcome, nowMs: this.nowMs }),
      onFrame: (copy, frame) => this.#step({ kind: 'frame', copy, frame, nowMs: this.nowMs }),
      onDown: (copy, code) => this.#step({ kind: 'link-down', copy, code, nowMs: this.nowMs }),
      onTurnEnd: () => this.#endTurn(),
    });
    const bootMs = parts.scheduler.random.between(1, MAX_BOOT_MS);
    this.process.after(bootMs, () => this.#readRegistration(undefined));
  }

  get nowMs(): number {
    return this.process.clock.nowMs;
  }

  get isAlive(): boolean {
    return this.process.isAlive;
  }

  /** It knows its volume, and its portal listens. */
  get hasStarted(): boolean {
    return this.#isStarted;
  }

  /** What it says of its copies; undefined before it knows of any. */
  statuses(): CopyStatus[] | undefined {
    return this.#isStarted ? this.volume.copyStatuses(this.nowMs) : undefined;
  }

  /** Operations that are not answered. */
  get openCount(): number {
    return this.#requests.size;
  }

  /** `done` is called when the operation completes; never when this controller ends before that. */
  submit(operation: VolumeOperation, done: (outcome: VolumeOutcome) => void): RequestHandle {
    const request = {};
    const attentions = this.#attentions;
    this.#whenStarted(() => {
      this.#requests.set(request, (outcome) => {
        // As a real controller uses this memory again: whoever still looks at it sees garbage.
        if (outcome.ok && operation.kind === 'write') reuseData(operation.data);
        done(outcome);
      });
      if (this.#attentions > attentions) this.#complete(request, UNIT_ATTENTION);
      else this.turn({ kind: 'request', request, operation, nowMs: this.nowMs });
    });
    return request;
  }

  /** An aborted task. `onUnsent` is called if it ends by this: then it was never sent (I15). */
  cancel(request: RequestHandle, onUnsent: () => void): void {
    this.#whenStarted(() => {
      const isOpen = this.#requests.has(request);
      this.turn({ kind: 'cancel', request });
      if (isOpen && !this.#requests.has(request)) onUnsent();
    });
  }

  /** A clean stop. */
  shutDown(): void {
    this.#whenStarted(() => this.turn({ kind: 'shutdown', nowMs: this.nowMs }));
  }

  /** Nobody is let in before the portal listens. */
  #whenStarted(turn: () => void): void {
    if (this.#isStarted) this.process.post(turn);
    else this.#early.push(turn);
  }

  /** One turn for one event. */
  turn(event: VolumeEvent): void {
    this.#step(event);
    this.#endTurn();
  }

  /** kill -9, or with the whole machine: nothing more comes of it but what is on the network. */
  crash(hasPower = true): void {
    if (!this.isAlive) return;
    this.process.end();
    this.#links.end(hasPower);
    this.#parts.onEnd(this);
  }

  /** The network drops the connection to one copy. */
  breakLink(replicaId: string): void {
    this.#links.break(replicaId);
  }

  #step(event: VolumeEvent): void {
    if (!this.isAlive || (!this.#isStarted && event.kind !== 'start')) return;
    const { length } = this.#effects;
    this.volume.step(event, this.#effects);
    // What it says of the past comes before what it does next.
    for (const effect of this.#effects.slice(length)) {
      if (effect.kind !== 'power-lost') continue;
      this.#attentions += 1;
      if (!effect.isPast) this.#parts.onPowerLost(this);
    }
    if (this.volume.isActive && !this.wasActive) {
      this.wasActive = true;
      this.#parts.onServing(this);
    }
  }

  #endTurn(): void {
    const effects = this.#effects;
    this.#effects = [];
    for (const effect of effects) {
      if (!this.isAlive) return;
      if (this.crashAfter !== undefined) {
        this.crashAfter -= 1;
        if (this.crashAfter < 0) return this.#crashBefore(effect);
      }
      this.#carryOut(effect);
    }
  }

  #crashBefore({ kind }: VolumeEffect): void {
    this.#parts.trace.fault(`${this.instanceId} is killed before ${kind}`);
    this.crash();
  }

  #carryOut(effect: VolumeEffect): void {
    switch (effect.kind) {
      case 'send':
        return this.#links.send(effect);
      case 'complete':
        return this.#complete(effect.request, effect.outcome);
      case 'connect':
        return this.#links.connect(effect.copy, effect.address.host, effect.hello);
      case 'disconnect':
        return this.#links.disconnect(effect.copy);
      case 'drop':
        return this.#links.drop(effect.copy);
      case 'wake':
        return this.#wakeAt(this.nowMs + effect.afterMs);
      case 'change-record':
        return this.process.after(effect.afterMs, () => this.#change(effect.membership));
      case 'power-lost':
        return; // heard when it was said
      case 'resized':
        this.sizeBytes = effect.sizeBytes;
        return this.#parts.onResized(effect.sizeBytes);
      case 'notice':
        this.notices.push(effect.message);
        this.#parts.trace.notice(this.instanceId, effect);
        return;
      case 'stop':
      case 'stopped':
        this.stopCode = effect.kind === 'stop' ? effect.code : 'stopped';
        this.#parts.trace.stop(this.instanceId, effect);
        return this.crash();
    }
  }

  #alarmMs = Number.POSITIVE_INFINITY;

  /** As the real driver: of several wakes the first counts. */
  #wakeAt(dueMs: number): void {
    if (dueMs >= this.#alarmMs) return;
    this.#alarmMs = dueMs;
    this.process.after(dueMs - this.nowMs, () => {
      if (this.#alarmMs !== dueMs) return;
      this.#alarmMs = Number.POSITIVE_INFINITY;
      this.turn({ kind: 'tick', nowMs: this.nowMs });
    });
  }

  #complete(request: RequestHandle, outcome: VolumeOutcome): void {
    const done = this.#requests.get(request);
    if (done === undefined) throw new Error('a request completed twice');
    this.#requests.delete(request);
    done(outcome);
  }

  // The registry.

  #change(membership: Membership): void {
    const { registry, instanceId } = this.#parts;
    this.#ask<Membership>(REGISTRY_ANSWER_MS, {
      ask: (answer) => registry.change(instanceId, membership, answer),
      onAnswer: (current) => this.turn({ kind: 'record', membership: current, nowMs: this.nowMs }),
      onSilence: () => this.turn({ kind: 'record-unknown', nowMs: this.nowMs }),
    });
  }

  /** Once at the start, then for as long as it lives: each question is held until there are news. */
  #readRegistration(after: number | undefined): void {
    const { registry, instanceId } = this.#parts;
    this.#ask(after === undefined ? REGISTRY_ANSWER_MS : READ_ANSWER_MS, {
      ask: (answer) => registry.read(instanceId, after, answer),
      onAnswer: (registration: Registration) => {
        this.#learn(registration, after);
        this.#readRegistration(registration.revision);
      },
      onSilence: () => this.process.after(RETRY_READ_MS, () => this.#readRegistration(after)),
    });
  }

  #learn(registration: Registration, after: number | undefined): void {
    this.failureMode = registration.volume.failureMode;
    this.revision = registration.revision;
    const { nowMs } = this;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.sizeBytes = registration.membership.sizeBytes;
      const identity = { instanceId: this.instanceId, address: `${this.instanceId}:3260` };
      const random = this.#parts.scheduler.random.next();
      this.turn({ kind: 'start', registration, identity, random, nowMs });
      this.#tickLater();
      for (const turn of this.#early.splice(0)) this.process.post(turn);
    } else if (registration.revision !== after) {
      this.turn({ kind: 'registration', registration, nowMs });
    }
  }

  /** Asks, and calls one of the two handlers once. */
  #ask<Answer>(
    patienceMs: number,
    parts: {
      ask: (answer: (value: Answer) => void) => void;
      onAnswer: (value: Answer) => void;
      onSilence: () => void;
    },
  ): void {
    let isOver = false;
    parts.ask((value) =>
      this.process.post(() => {
        if (isOver) return;
        isOver = true;
        parts.onAnswer(value);
      }),
    );
    this.process.after(patienceMs, () => {
      if (isOver) return;
      isOver = true;
      parts.onSilence();
    });
  }

  #tickLater(): void {
    this.process.after(this.#parts.timing.heartbeatMs, () => {
      this.turn({ kind: 'tick', nowMs: this.nowMs });
      this.#tickLater();
    });
  }
}
