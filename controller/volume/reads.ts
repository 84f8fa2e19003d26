import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { OPCODE } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { Copies, CopyEntry } from './copies.ts';
import { type FrameNumbers, makeControl } from './frames.ts';
import type { VolumeOperation } from './operation.ts';
import { SeqTable } from './seq-table.ts';
import type { CopyMask, RequestHandle, VolumeEffect } from './step.ts';

/** The bytes that a READ_REPLY stands for, or undefined when it is malformed. */
export type ReadPayload = (frame: Frame) => Buffer | undefined;

/** What one copy can answer. */
export type ReadOperation = Extract<VolumeOperation, { kind: 'read' | 'map' }>;

/** A read that may run, or wait. */
export interface ReadRequest {
  readonly request: RequestHandle;
  readonly operation: ReadOperation;
  readonly deadlineMs: number;
}

interface Read extends ReadRequest {
  readonly seq: number;
  readonly copy: CopyMask;
  readonly sentMs: number;
}

/** Reads on their way: each to the primary alone, and to another copy if that is lost meanwhile. */
export class Reads {
  readonly #readPayload: ReadPayload;
  readonly #bySeq = new SeqTable<Read>();

  constructor(readPayload: ReadPayload) {
    this.#readPayload = readPayload;
  }

  get size(): number {
    return this.#bySeq.size;
  }

  /** Returns false when it may not run now: there is nobody to ask, or it could not complete (I7). */
  start(
    { request, operation, deadlineMs }: ReadRequest,
    primary: CopyEntry | undefined,
    copies: Copies,
    { numbers, nowMs, effects }: { numbers: FrameNumbers; nowMs: number; effects: VolumeEffect[] },
  ): boolean {
    if (primary === undefined || (primary.bit & copies.usable) === 0) return false;
    if (nowMs >= copies.leaseUntilMs) return false;
    const { offset, length, kind } = operation;
    const opcode = kind === 'read' ? OPCODE.READ : OPCODE.MAP;
    const range = { start: offset, end: offset + length };
    const question = makeControl(numbers, opcode, primary.bit, range);
    const { seq, copies: copy } = question;
    this.#bySeq.add({ seq, request, operation, copy, sentMs: nowMs, deadlineMs });
    effects.push(question);
    return true;
  }

  /**
   * Takes the answer to a read. Returns it with its bytes; 'malformed', and then the read stays and
   * goes to another copy; or undefined when nobody waits for it.
   */
  answer(frame: Frame): { read: ReadRequest; data: Buffer } | 'malformed' | undefined {
    const read = this.#bySeq.get(frame.seq);
    if (read === undefined) return undefined;
    const data = this.#bytesOf(read.operation, frame);
    if (data === undefined) return 'malformed';
    this.#bySeq.delete(frame.seq);
    return { read, data };
  }

  /** Takes out those whose copy is not usable any more. */
  takeLost(usable: CopyMask): ReadRequest[] {
    const lost: ReadRequest[] = [];
    for (const read of this.#bySeq.values()) {
      if ((read.copy & usable) !== 0) continue;
      this.#bySeq.delete(read.seq);
      lost.push(read);
    }
    return lost;
  }

  /** Whether this copy has owed an answer since before `sinceMs`. */
  hasOverdue(copy: CopyMask, sinceMs: number): boolean {
    for (const read of this.#bySeq.values()) {
      if (read.sentMs >= sinceMs) break;
      if (read.copy === copy) return true;
    }
    return false;
  }

  #bytesOf({ kind, length }: ReadOperation, frame: Frame): Buffer | undefined {
    if (frame.length !== length) return undefined;
    const isRead = frame.opcode === OPCODE.READ_REPLY;
    if (isRead !== (kind === 'read')) return undefined;
    if (isRead) return this.#readPayload(frame);
    if (frame.payload.length !== Math.ceil(length / BLOCK_BYTES)) return undefined;
    return Buffer.from(frame.payload); // a view on the receive buffer
  }
}
