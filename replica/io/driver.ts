import { unreachable } from '../common/assert.ts';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Replica } from '../core/replica.ts';
import type { ConnectionId, ReplicaEffect, ReplicaEvent } from '../core/step.ts';
import { STATUS } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Hello, Refusal, Welcome } from '../protocol/hello.ts';
import { type ChangeEffect, DataRequests, type DataRequestsParts } from './data-requests.ts';
import type { MetadataFile } from './metadata-file.ts';
import type { SendArena } from './send-arena.ts';

/** The door to one authenticated connection. */
export interface Link {
  readonly id: ConnectionId;
  /** Replies gather here until `flush`. */
  readonly arena: SendArena;
  welcome(welcome: Welcome): void;
  /** Sends the refusal and closes. */
  refuse(refusal: Refusal): void;
  flush(): void;
  /** Drops the connection at once. */
  close(reason: string): void;
}

export type StopEffect = Extract<ReplicaEffect, { kind: 'stop' }>;

export interface DriverParts extends DataRequestsParts {
  readonly replica: Replica;
  readonly metadataFile: MetadataFile;
  readonly observeFsync: (seconds: number) => void;
  readonly clock: Clock;
  /** Called once; nothing is carried out afterwards. */
  readonly onStop: (stop: StopEffect) => void;
}

/**
 * Neighbouring writes of one turn go to the disk as one, up to this: it stays in the CPU's nearest
 * cache, and what is as large by itself is written from where it was received.
 */
const MAX_JOINED_BYTES = 64 * 1024;

/** As much as waits for an extent to become hot before a controller has to wait too. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

type EffectOf<Kind extends ReplicaEffect['kind']> = Extract<ReplicaEffect, { kind: Kind }>;

/** Feeds the replica with what happened and carries out what it wants, one turn at a time. */
export class ReplicaDriver {
  readonly #parts: DriverParts;
  readonly #requests: DataRequests;
  readonly #links = new Map<ConnectionId, Link>();
  /** Those that sent something that was answered INVALID. */
  readonly #blamed = new WeakSet<Link>();
  /** The effects of this turn, in order; grows while it is carried out. */
  #effects: ReplicaEffect[] = [];
  #isStopped = false;

  constructor(parts: DriverParts) {
    this.#parts = parts;
    this.#requests = new DataRequests(parts, (event) => this.#step(event));
  }

  /** One turn for one event. */
  turn(event: ReplicaEvent): void {
    this.#step(event);
    this.#endTurn();
  }

  /** One turn for all frames that arrived together. Their payloads are not used afterwards. */
  turnOfFrames(link: Link, frames: readonly Frame[]): void {
    const connection = link.id;
    const nowMs = this.#parts.clock.nowMs();
    for (const frame of frames) this.#step({ kind: 'frame', connection, frame, nowMs });
    this.#endTurn();
  }

  hello(link: Link, hello: Hello): void {
    this.addLink(link);
    this.turn({ kind: 'hello', connection: link.id, hello, nowMs: this.#parts.clock.nowMs() });
  }

  /** So much is waiting for the disk that no more should be read from the network. */
  get isCongested(): boolean {
    return this.#parts.replica.heldBytes > MAX_HELD_BYTES;
  }

  addLink(link: Link): void {
    this.#links.set(link.id, link);
  }

  removeLink(link: Link): void {
    this.#links.delete(link.id);
    this.turn({ kind: 'closed', connection: link.id });
  }

  #step(event: ReplicaEvent): void {
    this.#parts.replica.step(event, this.#effects);
  }

  #endTurn(): void {
    this.#carryOut(this.#effects);
    this.#step({ kind: 'turn-ended' });
    this.#carryOut(this.#effects);
    for (const link of this.#links.values()) link.flush();
  }

  #carryOut(effects: ReplicaEffect[]): void {
    for (let index = 0; index < effects.length && !this.#isStopped; ) {
      const effect = effects[index]!;
      if (effect.kind === 'write') {
        index = this.#carryOutWrites(effects, index);
      } else {
        this.#carryOutOne(effect);
        index += 1;
      }
    }
    effects.length = 0;
  }

  #carryOutOne(effect: Exclude<ReplicaEffect, EffectOf<'write'>>): void {
    switch (effect.kind) {
      case 'persist':
        this.#persist(effect);
        return;
      case 'fdatasync':
        this.#startSync();
        return;
      case 'save':
        this.#startSave(effect);
        return;
      case 'note':
        this.#note(effect);
        return;
      case 'stop':
        this.#stop(effect);
        return;
    }
    const link = this.#links.get(effect.connection);
    if (link === undefined) {
      if (effect.kind === 'trim') this.#drop(effect);
      return;
    }
    switch (effect.kind) {
      case 'reply':
        this.#reply(link, effect);
        return;
      case 'read':
        this.#requests.read(link.arena, effect);
        return;
      case 'hash':
        this.#requests.hash(link.arena, effect);
        return;
      case 'map':
        this.#requests.map(link.arena, effect);
        return;
      case 'grow':
        this.#requests.grow(effect);
        return;
      case 'trim':
        this.#requests.trim(effect);
        return;
      case 'reserve':
        if (!this.#requests.reserve(effect)) this.#cutNow(effect.connection);
        return;
      case 'welcome':
        link.welcome(effect.welcome);
        return;
      case 'refuse':
        this.#links.delete(link.id);
        link.refuse(effect.refusal);
        return;
      case 'close':
        this.#links.delete(link.id);
        link.close(effect.reason);
        return;
      default:
        unreachable(effect, 'effect');
    }
  }

  /** Carries out the write at `first` and those right behind it on the disk; returns the next index. */
  #carryOutWrites(effects: readonly ReplicaEffect[], first: number): number {
    const run: ChangeEffect[] = [];
    let bytes = 0;
    for (let index = first; index < effects.length; index += 1) {
      const effect = effects[index]!;
      if (effect.kind !== 'write') break;
      if (run.length > 0 && !continues(run[0]!, bytes, effect)) break;
      run.push(effect);
      bytes += effect.frame.length;
    }
    const { connection } = run[0]!;
    const readyCount = this.#links.has(connection) ? this.#requests.write(run) : 0;
    if (readyCount < run.length) this.#cutNow(connection);
    for (const effect of run.slice(readyCount)) this.#drop(effect);
    return first + run.length;
  }

  /** It was recorded as a change already; that it never happened must be known too. */
  #drop({ connection, frame }: ChangeEffect): void {
    this.#step({ kind: 'executed', connection, frame, status: STATUS.INVALID });
  }

  /** Ahead of the effects that stand in line, since those of this connection must be dropped. */
  #cutNow(connection: ConnectionId): void {
    if (!this.#links.has(connection)) return;
    const effects: ReplicaEffect[] = [];
    this.#parts.replica.step({ kind: 'malformed', connection }, effects);
    this.#carryOut(effects);
  }

  #reply(link: Link, effect: EffectOf<'reply'>): void {
    const { opcode, seq, status, payload } = effect;
    if (payload !== undefined) payload.copy(link.arena.reserve(payload.length));
    link.arena.append({ opcode, seq, status }, payload?.length);
    // Once a connection: a peer that counts wrong does it often.
    if (status !== STATUS.INVALID || this.#blamed.has(link)) return;
    this.#blamed.add(link);
    this.#parts.log.warn('request makes no sense for this volume', { reply: opcode, seq });
  }

  #persist({ metadata }: EffectOf<'persist'>): void {
    try {
      this.#parts.metadataFile.write(metadata);
    } catch (error) {
      const reason = `write the metadata: ${messageOf(error)}`;
      this.#stop({ kind: 'stop', isFailure: true, reason });
    }
  }

  #note({ page }: EffectOf<'note'>): void {
    try {
      this.#parts.storeFiles.note(page);
    } catch (error) {
      this.#stop({
        kind: 'stop',
        isFailure: true,
        reason: `note in the journal: ${messageOf(error)}`,
      });
    }
  }

  #startSync(): void {
    const { clock, counters, dataFile, observeFsync } = this.#parts;
    const startMs = clock.nowMs();
    counters.operations.flush += 1;
    dataFile.fdatasync((error) => {
      observeFsync((clock.nowMs() - startMs) / 1000);
      const failure = error === null ? undefined : messageOf(error);
      this.turn({ kind: 'synced', failure });
    });
  }

  #startSave({ file, pages }: EffectOf<'save'>): void {
    this.#parts.counters.operations.save += 1;
    this.#parts.storeFiles.save(file, pages, (failure) => {
      const isFull = failure?.code === 'NO_SPACE';
      this.turn({ kind: 'saved', failure: failure?.message, isFull });
    });
  }

  #stop(stop: StopEffect): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#parts.onStop(stop);
  }
}

function continues(head: ChangeEffect, bytes: number, effect: ChangeEffect): boolean {
  return (
    effect.connection === head.connection &&
    effect.frame.offset === head.frame.offset + bytes &&
    bytes + effect.frame.length <= MAX_JOINED_BYTES
  );
}
