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
import type { Refusal, Welcome } from '../protocol/hello.ts';
import type { DataFile } from './data-file.ts';
import { isZero } from './is-zero.ts';
import type { MetadataFile } from './metadata-file.ts';
import type { Counters } from './metrics.ts';
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

export interface DriverParts {
  readonly replica: Replica;
  readonly dataFile: DataFile;
  readonly metadataFile: MetadataFile;
  readonly lz4: Lz4;
  readonly counters: Counters;
  readonly observeFsync: (seconds: number) => void;
  readonly clock: Clock;
  readonly idleMemory: IdleMemory;
  readonly log: Log;
  /** Called once; nothing is carried out afterwards. */
  readonly onStop: (stop: StopEffect) => void;
}

/** Neighbouring writes of one turn go to the disk as one, up to this: it stays in the CPU cache. */
const MAX_JOINED_BYTES = 1024 * 1024;

type RequestEffect = Extract<ReplicaEffect, { kind: 'read' | 'write' | 'trim' }>;

/** Feeds the replica with what happened and carries out what it wants, one turn at a time. */
export class ReplicaDriver {
  readonly #parts: DriverParts;
  readonly #links = new Map<ConnectionId, Link>();
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
    for (const frame of frames) this.#step({ kind: 'frame', connection, frame });
    this.#endTurn();
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

  #carryOutOne(effect: Exclude<ReplicaEffect, { kind: 'write' }>): void {
    switch (effect.kind) {
      case 'persist':
        this.#persist(effect);
        return;
      case 'fdatasync':
        this.#startSync();
        return;
      case 'stop':
        this.#stop(effect);
        return;
    }
    const link = this.#links.get(effect.connection);
    if (link === undefined) return;
    switch (effect.kind) {
      case 'reply':
        appendReply(link.arena, effect);
        return;
      case 'read':
        this.#read(link.arena, effect);
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
    if (this.#links.has(connection)) {
      const readyCount = this.#decompress(run);
      if (readyCount > 0) this.#write(run.slice(0, readyCount), frame);
      if (readyCount < run.length) this.#cutNow(connection);
    }
    return first + run.length;
  }

  /** Ahead of the effects that stand in line, since those of this connection must be dropped. */
  #cutNow(connection: ConnectionId): void {
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

  #read(arena: SendArena, { connection, frame }: RequestEffect): void {
    const { counters, dataFile, lz4 } = this.#parts;
    const { seq, offset, length } = frame;
    const data = this.#scratch.subarray(0, length);
    const status = this.#attempt(() => dataFile.readInto(data, offset));
    this.#parts.idleMemory.touch();
    counters.operations.read += 1;
    counters.bytes.read += length;
    if (status !== STATUS.OK) {
      this.#step({ kind: 'executed', connection, frame, status });
      return;
    }
    const fields = { opcode: OPCODE.READ_REPLY, seq, offset, length };
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

  #persist({ metadata }: Extract<ReplicaEffect, { kind: 'persist' }>): void {
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

function appendReply(arena: SendArena, reply: Extract<ReplicaEffect, { kind: 'reply' }>): void {
  const { opcode, seq, status, payload } = reply;
  if (payload !== undefined) payload.copy(arena.reserve(payload.length));
  arena.append({ opcode, seq, status }, payload?.length);
}

function messageFields(error: unknown): { readonly reason: string } {
  return { reason: messageOf(error) };
}
