import { unreachable } from '../common/assert.ts';
import type { Clock } from '../common/clock.ts';
import { KeelsonError, messageOf } from '../common/errors.ts';
import type { IdleMemory } from '../common/idle-memory.ts';
import { MAX_IO_BYTES } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { Lz4 } from '../common/lz4.ts';
import type { Replica } from '../core/replica.ts';
import type { ConnectionId, ReplicaEffect, ReplicaEvent } from '../core/step.ts';
import { FLAG, OPCODE, STATUS, type Status } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Hello, Refusal, Welcome } from '../protocol/hello.ts';
import type { DataFile } from './data-file.ts';
import { hashRegions } from './hash-regions.ts';
import { isZero } from './is-zero.ts';
import type { MetadataFile } from './metadata-file.ts';
import type { Counters } from './metrics.ts';
import type { SendArena } from './send-arena.ts';
import type { StoreFiles } from './store-files.ts';

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

export interface DriverParts {
  readonly replica: Replica;
  readonly dataFile: DataFile;
  readonly metadataFile: MetadataFile;
  readonly storeFiles: StoreFiles;
  readonly lz4: Lz4;
  readonly counters: Counters;
  readonly observeFsync: (seconds: number) => void;
  readonly clock: Clock;
  readonly idleMemory: IdleMemory;
  readonly log: Log;
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

type RequestEffect = Extract<ReplicaEffect, { kind: 'write' | 'trim' }>;
type EffectOf<Kind extends ReplicaEffect['kind']> = Extract<ReplicaEffect, { kind: Kind }>;

/** Feeds the replica with what happened and carries out what it wants, one turn at a time. */
export class ReplicaDriver {
  readonly #parts: DriverParts;
  readonly #links = new Map<ConnectionId, Link>();
  /** Those that sent something that was answered INVALID. */
  readonly #blamed = new WeakSet<Link>();
  /** The effects of this turn, in order; grows while it is carried out. */
  #effects: ReplicaEffect[] = [];
  /** Where reads and decompressed writes stand for a moment. */
  readonly #scratch = Buffer.allocUnsafeSlow(MAX_IO_BYTES);
  #isStopped = false;

  constructor(parts: DriverParts) {
    this.#parts = parts;
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
        this.#read(link.arena, effect);
        return;
      case 'hash':
        this.#hash(link.arena, effect);
        return;
      case 'map':
        this.#map(link.arena, effect);
        return;
      case 'grow':
        this.#grow(effect);
        return;
      case 'trim':
        this.#trim(effect);
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
    const run: RequestEffect[] = [];
    let bytes = 0;
    for (let index = first; index < effects.length; index += 1) {
      const effect = effects[index]!;
      if (effect.kind !== 'write') break;
      if (run.length > 0 && !continues(run[0]!, bytes, effect)) break;
      run.push(effect);
      bytes += effect.frame.length;
    }
    const { connection, frame } = run[0]!;
    const readyCount = this.#links.has(connection) ? this.#decompress(run) : 0;
    if (readyCount > 0) this.#write(run.slice(0, readyCount), frame);
    if (readyCount < run.length) this.#cutNow(connection);
    for (const effect of run.slice(readyCount)) this.#drop(effect);
    return first + run.length;
  }

  /** It was recorded as a change already; that it never happened must be known too. */
  #drop({ connection, frame }: RequestEffect): void {
    this.#step({ kind: 'executed', connection, frame, status: STATUS.INVALID });
  }

  /** Ahead of the effects that stand in line, since those of this connection must be dropped. */
  #cutNow(connection: ConnectionId): void {
    if (!this.#links.has(connection)) return;
    const effects: ReplicaEffect[] = [];
    this.#parts.replica.step({ kind: 'malformed', connection }, effects);
    this.#carryOut(effects);
  }

  /** Puts the bytes of `run` side by side into scratch; returns how many of them were sound. */
  #decompress(run: readonly RequestEffect[]): number {
    if (run.length === 1 && isRaw(run[0]!.frame)) return 1; // written from where it is
    let at = 0;
    for (const [index, { frame }] of run.entries()) {
      const target = this.#scratch.subarray(at, at + frame.length);
      if (isRaw(frame)) frame.payload.copy(target);
      else if (!this.#parts.lz4.decompress(frame.payload, target)) return index;
      at += frame.length;
    }
    return run.length;
  }

  #write(run: readonly RequestEffect[], { offset, payload, flags }: Frame): void {
    const { counters, dataFile } = this.#parts;
    const last = run.at(-1)!.frame;
    const bytes = last.offset + last.length - offset;
    const isInPlace = run.length === 1 && (flags & FLAG.LZ4) === 0;
    const source = isInPlace ? payload : this.#scratch.subarray(0, bytes);
    const status = this.#attempt(() => dataFile.write(source, offset));
    this.#parts.idleMemory.touch();
    counters.operations.write += run.length;
    counters.bytes.write += bytes;
    for (const { connection, frame } of run) {
      this.#step({ kind: 'executed', connection, frame, status });
    }
  }

  #trim({ connection, frame }: RequestEffect): void {
    const { counters, dataFile } = this.#parts;
    const status = this.#attempt(() => dataFile.trim(frame.offset, frame.length));
    counters.operations.trim += 1;
    counters.bytes.trim += frame.length;
    this.#step({ kind: 'executed', connection, frame, status });
  }

  #read(arena: SendArena, { connection, frame, generation }: EffectOf<'read'>): void {
    const { counters, lz4 } = this.#parts;
    const { seq, offset, length } = frame;
    counters.operations.read += 1;
    counters.bytes.read += length;
    const data = this.#readIntoScratch(connection, frame);
    if (data === undefined) return;
    const fields = { opcode: OPCODE.READ_REPLY, seq, offset, length, generation };
    if (isZero(data)) {
      arena.append({ ...fields, flags: FLAG.ZERO });
      return;
    }
    const room = arena.reserve(length);
    // One byte too little, so that "does not fit" means "is not smaller".
    const compressedBytes = lz4.compress(data, room.subarray(0, length - 1));
    if (compressedBytes > 0) {
      arena.append({ ...fields, flags: FLAG.LZ4 }, compressedBytes);
    } else {
      data.copy(room);
      arena.append(fields, length);
    }
  }

  #hash(arena: SendArena, { connection, frame, stamps }: EffectOf<'hash'>): void {
    const { counters } = this.#parts;
    const { seq, offset, length } = frame;
    counters.operations.hash += 1;
    counters.bytes.hash += length;
    const data = this.#readIntoScratch(connection, frame);
    if (data === undefined) return;
    const payload = hashRegions(data, stamps);
    payload.copy(arena.reserve(payload.length));
    arena.append({ opcode: OPCODE.HASHES_REPLY, seq, offset, length }, payload.length);
  }

  #map(arena: SendArena, { connection, frame }: EffectOf<'map'>): void {
    const { seq, offset, length } = frame;
    let map: Buffer | undefined;
    const status = this.#attempt(() => {
      map = this.#parts.dataFile.map(offset, length);
    });
    if (map === undefined) return this.#step({ kind: 'executed', connection, frame, status });
    map.copy(arena.reserve(map.length));
    arena.append({ opcode: OPCODE.MAP_REPLY, seq, offset, length }, map.length);
  }

  #grow({ connection, frame }: EffectOf<'grow'>): void {
    const status = this.#attempt(() => {
      this.#parts.dataFile.grow(frame.offset);
      this.#parts.storeFiles.grow(frame.offset);
    });
    this.#step({ kind: 'executed', connection, frame, status });
  }

  /** The bytes that a request asks for; undefined when the disk failed, which is then known. */
  #readIntoScratch(connection: ConnectionId, frame: Frame): Buffer | undefined {
    const data = this.#scratch.subarray(0, frame.length);
    const status = this.#attempt(() => this.#parts.dataFile.readInto(data, frame.offset));
    this.#parts.idleMemory.touch();
    if (status === STATUS.OK) return data;
    this.#step({ kind: 'executed', connection, frame, status });
    return undefined;
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

  #attempt(action: () => void): Status {
    try {
      action();
      return STATUS.OK;
    } catch (error) {
      const { counters, log } = this.#parts;
      if (error instanceof KeelsonError && error.code === 'NO_SPACE') {
        if (counters.errors['no-space'] === 0) log.warn('file system full', messageFields(error));
        counters.errors['no-space'] += 1;
        return STATUS.NO_SPACE;
      }
      counters.errors.io += 1;
      log.error('data file failed', messageFields(error));
      return STATUS.IO_FAILED;
    }
  }

  #persist({ metadata }: EffectOf<'persist'>): void {
    try {
      this.#parts.metadataFile.write(metadata);
    } catch (error) {
      const reason = `write the metadata: ${messageOf(error)}`;
      this.#stop({ kind: 'stop', isFailure: true, reason });
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

function continues(head: RequestEffect, bytes: number, effect: RequestEffect): boolean {
  return (
    effect.connection === head.connection &&
    effect.frame.offset === head.frame.offset + bytes &&
    bytes + effect.frame.length <= MAX_JOINED_BYTES
  );
}

function isRaw(frame: Frame): boolean {
  return (frame.flags & FLAG.LZ4) === 0;
}

function messageFields(error: unknown): { readonly reason: string } {
  return { reason: messageOf(error) };
}
