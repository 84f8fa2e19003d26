import { KeelsonError, messageOf } from '../common/errors.ts';
import type { IdleMemory } from '../common/idle-memory.ts';
import { MAX_IO_BYTES } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { Lz4 } from '../common/lz4.ts';
import type { ConnectionId, ReplicaEffect, ReplicaEvent } from '../core/step.ts';
import { FLAG, OPCODE, STATUS, type Status } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { DataFile } from './data-file.ts';
import { hashRegions } from './hash-regions.ts';
import { isZero } from './is-zero.ts';
import type { Counters } from './metrics.ts';
import type { SendArena } from './send-arena.ts';
import type { StoreFiles } from './store-files.ts';

export interface DataRequestsParts {
  readonly dataFile: DataFile;
  readonly storeFiles: StoreFiles;
  readonly lz4: Lz4;
  readonly counters: Counters;
  readonly idleMemory: IdleMemory;
  readonly log: Log;
}

type EffectOf<Kind extends ReplicaEffect['kind']> = Extract<ReplicaEffect, { kind: Kind }>;
export type ChangeEffect = EffectOf<'write' | 'trim'>;

/** Carries out what touches a copy's bytes, and tells the replica what became of it. */
export class DataRequests {
  readonly #parts: DataRequestsParts;
  readonly #step: (event: ReplicaEvent) => void;
  /** Where reads and decompressed writes stand for a moment. */
  readonly #scratch = Buffer.allocUnsafeSlow(MAX_IO_BYTES);

  constructor(parts: DataRequestsParts, step: (event: ReplicaEvent) => void) {
    this.#parts = parts;
    this.#step = step;
  }

  /**
   * Carries out writes that lie side by side with one call of the system, up to the first whose
   * payload is malformed. Returns how many were sound.
   */
  write(run: readonly ChangeEffect[]): number {
    const readyCount = this.#decompress(run);
    if (readyCount > 0) this.#writeSound(run.slice(0, readyCount), run[0]!.frame);
    return readyCount;
  }

  /** Puts the bytes of `run` side by side into scratch; returns how many of them were sound. */
  #decompress(run: readonly ChangeEffect[]): number {
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

  #writeSound(run: readonly ChangeEffect[], { offset, payload, flags }: Frame): void {
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

  trim({ connection, frame }: ChangeEffect): void {
    const { counters, dataFile } = this.#parts;
    const status = this.#attempt(() => dataFile.trim(frame.offset, frame.length));
    counters.operations.trim += 1;
    counters.bytes.trim += frame.length;
    this.#step({ kind: 'executed', connection, frame, status });
  }

  /** Returns false when a payload is malformed; nothing is said to the replica then. */
  reserve({ connection, frames }: EffectOf<'reserve'>): boolean {
    const { lz4, dataFile } = this.#parts;
    for (const frame of frames) {
      if (frame.opcode !== OPCODE.WRITE || isRaw(frame)) continue;
      const target = this.#scratch.subarray(0, frame.length);
      if (!lz4.decompress(frame.payload, target)) return false;
    }
    const status = this.#attempt(() => {
      for (const { opcode, offset, length } of frames) {
        if (opcode === OPCODE.WRITE) dataFile.reserve(offset, length);
      }
    });
    this.#step({ kind: 'reserved', connection, status });
    return true;
  }

  read(arena: SendArena, { connection, frame, generation }: EffectOf<'read'>): void {
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

  hash(arena: SendArena, { connection, frame, stamps }: EffectOf<'hash'>): void {
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

  map(arena: SendArena, { connection, frame }: EffectOf<'map'>): void {
    const { seq, offset, length } = frame;
    let map: Buffer | undefined;
    const status = this.#attempt(() => {
      map = this.#parts.dataFile.map(offset, length);
    });
    if (map === undefined) return this.#step({ kind: 'executed', connection, frame, status });
    map.copy(arena.reserve(map.length));
    arena.append({ opcode: OPCODE.MAP_REPLY, seq, offset, length }, map.length);
  }

  grow({ connection, frame }: EffectOf<'grow'>): void {
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
}

function isRaw(frame: Frame): boolean {
  return (frame.flags & FLAG.LZ4) === 0;
}

function messageFields(error: unknown): { readonly reason: string } {
  return { reason: messageOf(error) };
}
