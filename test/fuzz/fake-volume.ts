import type { VolumeOperation, VolumeOutcome } from '../../controller/volume/operation.ts';
import type { RequestHandle, VolumeEffect, VolumeEvent } from '../../controller/volume/step.ts';
import type { Volume } from '../../controller/volume/volume.ts';
import {
  BLOCK_BYTES,
  MAX_ATTRIBUTE_BYTES,
  MAX_IO_BYTES,
  MAX_MAP_BYTES,
  MAX_TRIM_BYTES,
} from '../../replica/common/limits.ts';
import { expectThat } from './target.ts';

const HOLE = Buffer.alloc(BLOCK_BYTES);

type Failure = Extract<VolumeOutcome, { ok: false }>['reason'];

/** What copies hold; it outlives the controllers in front of it. */
export class Medium {
  readonly bytes: Buffer;
  attribute: Buffer = Buffer.alloc(0);
  readonly #touched: { start: number; end: number }[] = [];

  constructor(sizeBytes: number) {
    this.bytes = Buffer.alloc(sizeBytes);
  }

  touch(start: number, lengthBytes: number): void {
    this.#touched.push({ start, end: start + lengthBytes });
  }

  /** As new; making a new one takes longer than all else of a case. */
  reset(attribute: Buffer): void {
    for (const { start, end } of this.#touched.splice(0)) this.bytes.fill(0, start, end);
    this.attribute = attribute;
  }
}

/** A volume in memory that takes nothing for granted of what it is asked for. */
export class FakeVolume {
  /** Requests are answered at once; otherwise when `answerAll` is called. */
  isSlow = false;
  /** What every request fails with. */
  failure: Failure | undefined;
  readonly #medium: Medium;
  readonly #waiting = new Map<RequestHandle, VolumeOperation>();
  #isStoring = false;

  constructor(medium: Medium) {
    this.#medium = medium;
  }

  /** For a controller, which only ever calls `step`. */
  asVolume(): Volume {
    return this as unknown as Volume;
  }

  step(event: VolumeEvent, effects: VolumeEffect[]): void {
    if (event.kind === 'request') {
      this.#expectSensible(event.operation);
      this.#waiting.set(event.request, event.operation);
      if (!this.isSlow) this.#answer(event.request, effects);
    } else if (event.kind === 'cancel') {
      if (!this.#waiting.has(event.request)) return;
      const operation = this.#waiting.get(event.request)!;
      this.#forget(event.request, operation);
      const outcome: VolumeOutcome = { ok: false, reason: 'IO_FAILED' };
      effects.push({ kind: 'complete', request: event.request, outcome });
    } else {
      for (const request of [...this.#waiting.keys()]) this.#answer(request, effects);
    }
  }

  #answer(request: RequestHandle, effects: VolumeEffect[]): void {
    const operation = this.#waiting.get(request)!;
    this.#forget(request, operation);
    const outcome: VolumeOutcome =
      this.failure === undefined ? this.#carryOut(operation) : { ok: false, reason: this.failure };
    effects.push({ kind: 'complete', request, outcome });
  }

  #forget(request: RequestHandle, operation: VolumeOperation): void {
    this.#waiting.delete(request);
    if (operation.kind === 'store') this.#isStoring = false;
  }

  #carryOut(operation: VolumeOperation): VolumeOutcome {
    const { bytes } = this.#medium;
    switch (operation.kind) {
      case 'read': {
        const { offset, length } = operation;
        return { ok: true, data: Buffer.from(bytes.subarray(offset, offset + length)) };
      }
      case 'write':
        this.#medium.touch(operation.offset, operation.data.length);
        operation.data.copy(bytes, operation.offset);
        return { ok: true };
      case 'trim':
        bytes.fill(0, operation.offset, operation.offset + operation.length);
        return { ok: true };
      case 'flush':
        return { ok: true };
      case 'map':
        return { ok: true, data: this.#map(operation.offset, operation.length) };
      case 'load':
        return { ok: true, data: Buffer.from(this.#medium.attribute) };
      case 'store':
        this.#medium.attribute = Buffer.from(operation.data);
        return { ok: true };
    }
  }

  #map(offset: number, length: number): Buffer {
    const map = Buffer.alloc(Math.ceil(length / BLOCK_BYTES));
    for (let at = 0; at < map.length; at += 1) {
      const start = offset + at * BLOCK_BYTES;
      const block = this.#medium.bytes.subarray(start, start + BLOCK_BYTES);
      map[at] = block.equals(HOLE) ? 0 : 1;
    }
    return map;
  }

  #expectSensible(operation: VolumeOperation): void {
    switch (operation.kind) {
      case 'read':
        this.#expectWithin(operation, operation.length, MAX_IO_BYTES);
        return;
      case 'write':
        this.#expectWithin(operation, operation.data.length, MAX_IO_BYTES);
        return;
      case 'trim':
        this.#expectWithin(operation, operation.length, MAX_TRIM_BYTES);
        return;
      case 'map': {
        this.#expectWithin(operation, operation.length, MAX_MAP_BYTES);
        const { offset, length } = operation;
        const isWhole = offset % BLOCK_BYTES === 0 && length % BLOCK_BYTES === 0;
        expectThat(isWhole, 'a map of parts of blocks', { offset, length });
        return;
      }
      case 'store': {
        const { length } = operation.data;
        expectThat(length <= MAX_ATTRIBUTE_BYTES, 'an attribute is too long', length);
        expectThat(!this.#isStoring, 'two stores at a time');
        this.#isStoring = true;
        return;
      }
      default:
        return;
    }
  }

  #expectWithin({ kind, offset }: { kind: string; offset: number }, length: number, limit: number) {
    const isWithin =
      Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0;
    expectThat(
      isWithin && length <= limit && offset + length <= this.#medium.bytes.length,
      'an operation outside of the volume or its limits',
      { kind, offset, length },
    );
  }
}
