import { FLAG, OPCODE } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import type { ChangeHistory } from './change-history.ts';
import type { Durability } from './durability.ts';
import { HeldFrames } from './held-frames.ts';
import type { Journal } from './journal.ts';

/** Payload that one record gathers from writes that come together. */
const MAX_RUN_BYTES = 512 * 1024;
/** What a COMMIT may bring: 64 MiB, in pieces of a region as long as they are no holes. */
const MAX_STAGED_BYTES = 64 * 1024 * 1024;
const MAX_STAGED_FRAMES = 16_384;

/**
 * The requests of the present connection that wait, in stream order: all behind the first that may
 * not be carried out yet. A change waits until its extents are hot; one that must be had as a whole
 * also for its record in the journal. And what was staged, until its COMMIT.
 */
export class WaitingFrames {
  readonly #history: ChangeHistory;
  readonly #durability: Durability;
  readonly #journal: Journal;
  readonly #held = new HeldFrames();
  #staged: Frame[] = [];
  #stagedBytes = 0;
  /** Of the first ones: those whose space is being taken, then those of the record under way. */
  #run: readonly Frame[] = [];
  /** There was no space for a run: the next one is its first frame alone. */
  #isRunCut = false;

  constructor(history: ChangeHistory, durability: Durability, journal: Journal) {
    this.#history = history;
    this.#durability = durability;
    this.#journal = journal;
  }

  get isEmpty(): boolean {
    return this.#held.isEmpty;
  }

  /** Payload that waits for the disk. */
  get bytes(): number {
    return this.#held.bytes;
  }

  /** Whether a request may be carried out now; if not, it stands in line from here on. */
  admit(frame: Frame): boolean {
    // Also for what stands in line anyway: then one save serves all that is held.
    const isReady = this.#isReady(frame);
    if (isReady && this.#held.isEmpty) return true;
    this.#held.push(frame);
    return false;
  }

  /** Takes the first one out, if it may be carried out. */
  next(): Frame | undefined {
    const frame = this.#held.first();
    if (frame === undefined || !this.#isReady(frame)) return undefined;
    this.#held.removeFirst();
    return frame;
  }

  /** The connection is gone: what was not carried out never will be (I4). */
  clear(): void {
    this.#held.clear();
    this.#journal.giveUp();
    this.#run = [];
    this.#isRunCut = false;
    this.#staged = [];
    this.#stagedBytes = 0;
  }

  // What is had as a whole or not at all.

  /** Keeps a copy for the COMMIT; false when there is too much of it. */
  stage(frame: Frame): boolean {
    const isTooMuch = this.#stagedBytes + frame.payload.length > MAX_STAGED_BYTES;
    if (isTooMuch || this.#staged.length >= MAX_STAGED_FRAMES) return false;
    this.#staged.push({ ...frame, payload: Buffer.from(frame.payload) });
    this.#stagedBytes += frame.payload.length;
    return true;
  }

  /**
   * The changes that are next and can be written down now; their space must be taken first, and
   * `reserved` says how that went. Empty when there is nothing to do but wait.
   */
  takeRun(): readonly Frame[] {
    const first = this.#held.first();
    const hasRun = this.#run.length > 0;
    if (first === undefined || !isWhole(first) || hasRun || !this.#isHot(first)) return [];
    const changes = this.#changesOf(first);
    if (!this.#journal.hasRoomFor(changes)) {
      this.#journal.wantRoom();
      return [];
    }
    this.#run = changes;
    return changes;
  }

  /** There is space for what is next: it is written down. */
  reserved(session: number): void {
    this.#isRunCut = false;
    this.#journal.record(this.#run, session);
  }

  /** There is none, for its data or for the record. Returns the request to refuse, if it is known. */
  refused(): Frame | undefined {
    const { length } = this.#run;
    const first = this.#held.first();
    if (length === 0 || first === undefined) return undefined; // given up meanwhile
    this.#run = [];
    this.#isRunCut = length > 1 && isAtomic(first);
    if (this.#isRunCut) return undefined;
    this.#held.removeFirst();
    return first;
  }

  /** The changes that this request stands for, now that they are carried out. */
  takeChanges(frame: Frame): readonly Frame[] {
    const changes = frame.opcode === OPCODE.COMMIT ? this.#run : [frame];
    if (frame.opcode === OPCODE.COMMIT) {
      this.#staged = [];
      this.#stagedBytes = 0;
    }
    this.#run = this.#run.slice(changes.length);
    return changes;
  }

  /** Whether all changes of the record have been taken. */
  get isRunOver(): boolean {
    return this.#run.length === 0;
  }

  #isReady(frame: Frame): boolean {
    if (this.#journal.isCarryingOut || !this.#isHot(frame)) return false;
    if (!isWhole(frame) || this.#journal.isSaved) return true;
    return frame.opcode === OPCODE.COMMIT && this.#stagedFrom(frame.offset).length === 0;
  }

  /** Whether the extents that a request changes are durably hot; they become so if they are not. */
  #isHot(frame: Frame): boolean {
    const { opcode, seq, flags } = frame;
    const isChange = opcode === OPCODE.WRITE || opcode === OPCODE.TRIM || opcode === OPCODE.MARK;
    if (!isChange && opcode !== OPCODE.COMMIT) return true;
    // Also of one that may never be carried out: its extents wait for a stableSeq as high as this.
    this.#history.noteSeq(seq);
    const { extents } = this.#history;
    const isSync = (flags & FLAG.ASSIGN) !== 0;
    let isHot = true;
    if (isChange) isHot = extents.touch(frame.offset, frame.offset + frame.length, seq, isSync);
    else {
      for (const { offset, length } of this.#stagedFrom(frame.offset)) {
        isHot = extents.touch(offset, offset + length, seq) && isHot;
      }
    }
    if (!isHot) this.#durability.noteHot();
    return isHot;
  }

  /** What the first request has to be carried out with. */
  #changesOf(first: Frame): readonly Frame[] {
    if (first.opcode === OPCODE.COMMIT) return this.#stagedFrom(first.offset);
    if (this.#isRunCut) return [first];
    let bytes = 0;
    return this.#held.leading((frame, sofar) => {
      bytes += frame.payload.length;
      const fits = sofar.length === 0 || bytes <= MAX_RUN_BYTES;
      return fits && isAtomic(frame) && this.#isHot(frame);
    });
  }

  #stagedFrom(seq: number): readonly Frame[] {
    return this.#staged.filter((frame) => frame.seq >= seq);
  }
}

export function isAtomic({ opcode, flags }: Frame): boolean {
  return opcode === OPCODE.WRITE && (flags & FLAG.ATOMIC) !== 0;
}

/** Whether it goes through the journal. */
export function isWhole(frame: Frame): boolean {
  return frame.opcode === OPCODE.COMMIT || isAtomic(frame);
}
