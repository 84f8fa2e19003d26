import { assert } from '../../replica/common/assert.ts';
import type { ByteRange } from '../../replica/common/ranges.ts';
import { FLAG, OPCODE } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { Copies, CopyEntry } from './copies.ts';
import { type FrameNumbers, makeControl, makeMark } from './frames.ts';
import { type Mutation, Mutations } from './mutations.ts';
import type { VolumeFailure, VolumeMutation, VolumeOperation, VolumeOutcome } from './operation.ts';
import { type ReadPayload, type ReadRequest, Reads } from './reads.ts';
import type { CopyMask, RequestHandle, VolumeEffect } from './step.ts';
import type { Timing } from './timing.ts';

/** Ranges that may not be written to for the moment, because they are being synced. */
export type LocksRange = (start: number, end: number) => boolean;

interface Waiting {
  readonly request: RequestHandle;
  readonly operation: VolumeOperation;
  readonly deadlineMs: number;
}

/**
 * The write path and the read path (design section 5): numbers each write, sends it to every copy
 * that is in-sync or syncing, and completes it when all required ones have answered (I1, S11–S13).
 * What may not run now waits here, for a bounded time.
 */
export class IoPath implements FrameNumbers {
  primary: CopyEntry | undefined;
  locksRange: LocksRange = () => false;
  readonly #timing: Timing;
  readonly #mutations = new Mutations();
  readonly #reads: Reads;
  #waiting: Waiting[] = [];
  /** Of the record as it is known; every change carries it. */
  generation = 0;
  /** What the copies were last told to keep beside the blocks. */
  attribute: Buffer = Buffer.alloc(0);
  /** When an initiator last asked for something. */
  lastRequestMs = Number.NEGATIVE_INFINITY;
  #copies!: Copies;
  #isAllowed = false;
  #isClosed = false;

  constructor(readPayload: ReadPayload, timing: Timing) {
    this.#reads = new Reads(readPayload);
    this.#timing = timing;
  }

  attach(copies: Copies): void {
    this.#copies = copies;
  }

  get copies(): Copies {
    return this.#copies;
  }

  continueAfter(seq: number): void {
    this.#mutations.continueAfter(seq);
  }

  declareEqualised(): void {
    this.#mutations.declareEqualised();
  }

  nextSeq(): number {
    return this.#mutations.nextSeq();
  }

  get stableSeq(): number {
    return this.#mutations.stableSeq;
  }

  get isIdle(): boolean {
    return this.#mutations.size === 0 && this.#reads.size === 0;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Whether the failure mode allows I/O now; what is not allowed waits. */
  setAllowed(isAllowed: boolean): void {
    this.#isAllowed = isAllowed;
  }

  /** The start is through: what the primary has counts, and the others get it before it is shown. */
  adoptAttribute(nowMs: number, effects: VolumeEffect[]): void {
    const text = this.primary?.welcome?.attribute ?? '';
    const data = Buffer.from(text, 'base64');
    this.attribute = data;
    const isSame = (entry: CopyEntry) =>
      (entry.bit & this.#copies.usable) === 0 || entry.welcome?.attribute === text;
    if (this.#copies.entries.every(isSame)) return;
    this.#startMutation(undefined, { kind: 'store', data }, nowMs, effects);
  }

  /** A clean stop: what was sent is finished, nothing new is. */
  close(): void {
    this.#isClosed = true;
  }

  // Requests.

  submit(
    request: RequestHandle,
    operation: VolumeOperation,
    nowMs: number,
    effects: VolumeEffect[],
  ): void {
    this.lastRequestMs = nowMs;
    this.#startOrHold(
      { request, operation, deadlineMs: nowMs + this.#timing.holdMs },
      nowMs,
      effects,
    );
  }

  #startOrHold(waiting: Waiting, nowMs: number, effects: VolumeEffect[]): void {
    if (!this.#tryStart(waiting, nowMs, effects)) this.#waiting.push(waiting);
  }

  /** Fails what waits and was never sent; what was sent is completed in its own time (I15). */
  cancel(request: RequestHandle, effects: VolumeEffect[]): void {
    const at = this.#waiting.findIndex((waiting) => waiting.request === request);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    effects.push(failed(request, 'NOT_READY'));
  }

  /** Starts what may run now, and completes what is no longer waited for. */
  resume(nowMs: number, effects: VolumeEffect[]): void {
    this.#choosePrimary();
    for (const mutation of this.#mutations.values()) this.#settle(mutation, effects);
    this.#resumeReads(nowMs, effects);
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((entry) => !this.#tryStart(entry, nowMs, effects));
  }

  /** Fails what has been held for too long (design section 6). */
  expire(nowMs: number, effects: VolumeEffect[]): void {
    this.#failWaiting(({ deadlineMs }) => deadlineMs <= nowMs, effects);
    for (const mutation of this.#mutations.values()) {
      if (mutation.request === undefined || mutation.sentMs + this.#timing.holdMs > nowMs) continue;
      // Its outcome on the copies stays open, so it still holds back reads that overlap it.
      effects.push(failed(mutation.request, mutation.failure ?? 'NOT_READY'));
      mutation.request = undefined;
    }
  }

  #failWaiting(isMeant: (waiting: Waiting) => boolean, effects: VolumeEffect[]): void {
    const staying: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (isMeant(waiting)) effects.push(failed(waiting.request, 'NOT_READY'));
      else staying.push(waiting);
    }
    this.#waiting = staying;
  }

  #tryStart(waiting: Waiting, nowMs: number, effects: VolumeEffect[]): boolean {
    if (!this.#isAllowed || this.#isClosed) return false;
    const { request, operation, deadlineMs } = waiting;
    switch (operation.kind) {
      case 'read':
      case 'map':
        return this.#startRead({ request, operation, deadlineMs }, nowMs, effects);
      case 'load':
        // A takeover could undo one that not every copy has, as with a read.
        if (this.#mutations.hasUnstableStore() || nowMs >= this.#copies.leaseUntilMs) return false;
        effects.push({ kind: 'complete', request, outcome: { ok: true, data: this.attribute } });
        return true;
      case 'store':
        this.attribute = operation.data;
    }
    return this.#startMutation(request, operation, nowMs, effects);
  }

  // Writes, trims and flushes.

  #startMutation(
    request: RequestHandle | undefined,
    operation: VolumeMutation,
    nowMs: number,
    effects: VolumeEffect[],
  ): boolean {
    const { start, end } = rangeOf(operation);
    if (this.locksRange(start, end)) return false;
    const copies = this.#copies;
    const mutation: Mutation = {
      seq: this.#mutations.nextSeq(),
      operation,
      start,
      end,
      request,
      pending: copies.required | copies.receiving,
      sentMs: nowMs,
      failure: undefined,
      isStable: false,
    };
    this.#mutations.add(mutation);
    this.#send(mutation, copies.receiving, effects);
    return true;
  }

  #send(mutation: Mutation, copies: CopyMask, effects: VolumeEffect[]): void {
    const { operation } = mutation;
    effects.push({
      kind: 'send',
      copies,
      opcode: MUTATION_OPCODE[operation.kind],
      flags: flagsOf(operation),
      seq: mutation.seq,
      stableSeq: this.#mutations.stableSeq,
      offset: mutation.start,
      length: operation.kind === 'store' ? operation.data.length : mutation.end - mutation.start,
      generation: this.generation,
      data: 'data' in operation ? operation.data : undefined,
      isEncoded: operation.kind === 'store',
    });
  }

  onMutationReply(entry: CopyEntry, seq: number, nowMs: number, effects: VolumeEffect[]): void {
    const mutation = this.#mutations.get(seq);
    if (mutation === undefined) return;
    mutation.pending &= ~entry.bit;
    // The answer to a store may overtake that of a write before it, which may have failed.
    const isInOrder = mutation.operation.kind !== 'store';
    if (isInOrder && seq > entry.answeredSeq) entry.answeredSeq = seq;
    this.#settle(mutation, effects);
    if (mutation.isStable && this.#waiting.length > 0) this.resume(nowMs, effects);
  }

  /** Completes a mutation once every required copy has answered it (I1), forgets it after the last. */
  #settle(mutation: Mutation, effects: VolumeEffect[]): void {
    if (!mutation.isStable) {
      if ((mutation.pending & this.#copies.required) !== 0 || !this.#isAllowed) return;
      this.#mutations.markStable(mutation);
      if (mutation.request !== undefined) {
        const { request, failure } = mutation;
        mutation.request = undefined;
        effects.push(failure === undefined ? succeeded(request) : failed(request, failure));
      }
    }
    if (mutation.pending === 0) this.#mutations.remove(mutation);
  }

  /** The last in-sync copy refused a write: the write fails, the copy stays. False if unknown. */
  failMutation(
    entry: CopyEntry,
    seq: number,
    failure: VolumeFailure,
    effects: VolumeEffect[],
  ): boolean {
    const mutation = this.#mutations.get(seq);
    if (mutation === undefined) return false;
    mutation.failure = failure;
    mutation.pending &= ~entry.bit;
    this.#settle(mutation, effects);
    return true;
  }

  /** A copy that is not waited for is gone: it owes nothing any more. */
  forget(entry: CopyEntry): void {
    for (const mutation of this.#mutations.values()) {
      mutation.pending &= ~entry.bit;
      if (mutation.pending === 0 && mutation.isStable) this.#mutations.remove(mutation);
    }
  }

  /**
   * Sends everything that this copy has not answered once more, in order, after it reconnected. What
   * it did before something that it has answered, a write with FUA, only lacks its flush: done
   * again, it would undo the newer one (I15). After a power loss nothing that it answered counts.
   */
  sendAgain(entry: CopyEntry, effects: VolumeEffect[]): void {
    const hasLostPower = entry.welcome?.restart === 'may-lack-writes';
    for (const mutation of this.#mutations.values()) {
      if (hasLostPower && !mutation.isStable) mutation.pending |= entry.bit;
      if ((mutation.pending & entry.bit) === 0) continue;
      // Its data may be gone: what was acknowledged is the caller's to use again.
      assert(!mutation.isStable, 'the last copy answered all that was acknowledged');
      const isDone = mutation.seq < entry.answeredSeq && !hasLostPower;
      this.#send(isDone ? { ...mutation, operation: FLUSH } : mutation, entry.bit, effects);
    }
  }

  /**
   * Acknowledged writes may be gone, and initiators learn of it with their next command (I13). A
   * flush that they asked for before must not tell them that those are safe.
   */
  failFlushes(effects: VolumeEffect[]): void {
    this.#failWaiting(({ operation }) => operation.kind === 'flush', effects);
    for (const mutation of this.#mutations.values()) {
      if (mutation.operation.kind !== 'flush' || mutation.request === undefined) continue;
      effects.push(failed(mutation.request, 'NOT_READY'));
      mutation.request = undefined;
    }
  }

  // Reads.

  /** A read that overlaps an unconfirmed write waits: a takeover could undo what it would show (I7). */
  #startRead(read: ReadRequest, nowMs: number, effects: VolumeEffect[]): boolean {
    const { offset, length } = read.operation;
    if (this.#mutations.hasUnstableOverlap(offset, offset + length)) return false;
    const context = { numbers: this, nowMs, effects };
    return this.#reads.start(read, this.primary, this.#copies, context);
  }

  /** Returns false when the answer is malformed; the read stays and goes to another copy. */
  onReadReply(frame: Frame, nowMs: number, effects: VolumeEffect[]): boolean {
    const answer = this.#reads.answer(frame);
    if (answer === 'malformed') return false;
    if (answer === undefined) return true;
    const { read, data } = answer;
    // Without a lease, another controller may have acknowledged newer bytes meanwhile (I7).
    if (nowMs >= this.#copies.leaseUntilMs) this.#startOrHold(read, nowMs, effects);
    else effects.push({ kind: 'complete', request: read.request, outcome: { ok: true, data } });
    return true;
  }

  /** Reads whose copy is gone go to another one. */
  #resumeReads(nowMs: number, effects: VolumeEffect[]): void {
    for (const read of this.#reads.takeLost(this.#copies.usable)) {
      this.#startOrHold(read, nowMs, effects);
    }
  }

  #choosePrimary(): void {
    if (this.primary !== undefined && (this.primary.bit & this.#copies.usable) !== 0) return;
    this.primary = this.#copies.firstUsable;
  }

  // Time and the end.

  /** Whether this copy has owed an answer since before `sinceMs`. */
  hasOverdue(copy: CopyMask, sinceMs: number): boolean {
    for (const mutation of this.#mutations.values()) {
      if (mutation.sentMs >= sinceMs) break;
      if ((mutation.pending & copy) !== 0) return true;
    }
    return this.#reads.hasOverdue(copy, sinceMs);
  }

  /** Tells every in-sync copy that all is done; returns those that must answer. */
  sendGoodbye(effects: VolumeEffect[]): CopyMask {
    assert(this.isIdle, 'goodbye is said when nothing is under way');
    const copies = this.#copies.usable;
    if (copies !== 0) effects.push(makeControl(this, OPCODE.GOODBYE, copies));
    return copies;
  }

  /** What the leaving copies have not confirmed, they lack: the others remember that (ADR 0012). */
  markUnconfirmed(leaving: CopyMask, effects: VolumeEffect[]): void {
    const survivors = this.#copies.receiving & ~leaving;
    if (survivors === 0) return;
    for (const mutation of this.#mutations.values()) {
      if ((mutation.pending & leaving) === 0 || mutation.start === mutation.end) continue;
      effects.push(makeMark(this, survivors, mutation));
    }
  }
}

const MUTATION_OPCODE = {
  ...{ write: OPCODE.WRITE, trim: OPCODE.TRIM },
  ...{ flush: OPCODE.FLUSH, store: OPCODE.STORE },
} as const;
const FLUSH = { kind: 'flush' } as const;
const DONE: VolumeOutcome = { ok: true };

function flagsOf(operation: VolumeMutation): number {
  if (operation.kind !== 'write') return 0;
  return (operation.fua ? FLAG.FUA : 0) | (operation.isAtomic === true ? FLAG.ATOMIC : 0);
}

/** Empty for what changes no block. */
function rangeOf(operation: VolumeMutation): ByteRange {
  if (operation.kind === 'flush' || operation.kind === 'store') return { start: 0, end: 0 };
  const { offset: start } = operation;
  return { start, end: start + ('data' in operation ? operation.data.length : operation.length) };
}

function succeeded(request: RequestHandle): VolumeEffect {
  return { kind: 'complete', request, outcome: DONE };
}

function failed(request: RequestHandle, reason: VolumeFailure): VolumeEffect {
  return { kind: 'complete', request, outcome: { ok: false, reason } };
}
