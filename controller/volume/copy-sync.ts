import { MAX_STAMPS_BYTES, REGION_BYTES } from '../../replica/common/limits.ts';
import { type ByteRange, bytesIn } from '../../replica/common/ranges.ts';
import { FLAG, OPCODE } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import { HASH_ENTRY_BYTES, STAMP, STAMP_BYTES } from '../../replica/protocol/stamps.ts';
import type { CopyEntry } from './copies.ts';
import { type FrameNumbers, makeControl, makeMark } from './frames.ts';
import type { CopyMask, VolumeEffect } from './step.ts';
import { type KnownContent, planWindow, regionCountOf, type SyncTask } from './sync-plan.ts';

/** What a step of a sync works with. */
export interface SyncContext {
  readonly numbers: FrameNumbers;
  readonly nowMs: number;
  readonly effects: VolumeEffect[];
}

/** Regions on their way; locked against new writes from the first request to the last answer. */
interface Move extends ByteRange {
  readonly stage: 'hashing' | 'reading' | 'writing';
  /** While hashing: the answers so far. */
  readonly hashes: Map<CopyMask, Buffer>;
  readonly sentMs: number;
  /** When the first request of this piece was sent. */
  readonly startedMs: number;
  /** Of the record when the source was asked. */
  readonly generation: number;
}

/** What was staged on the target is to be carried out there. */
interface Commit {
  readonly seq: number;
  readonly sentMs: number;
}

/** The stamps of one window, asked of source and target with one request. */
interface Listing extends ByteRange {
  readonly seq: number;
  readonly stamps: Map<CopyMask, Buffer>;
  readonly sentMs: number;
}

export interface CopySyncOptions {
  readonly source: CopyMask;
  readonly target: CopyMask;
  /** The whole volume, with what the target has of it; or the pieces to look at. */
  readonly work:
    | { readonly kind: 'volume'; readonly sizeBytes: number; readonly known: KnownContent }
    | { readonly kind: 'pieces'; readonly tasks: readonly SyncTask[] };
}

/**
 * Makes one copy equal to another while both take new writes (design section 5, "Sync"; ADR 0012).
 * First the stamps of both tell which regions to look at; then each is compared or copied: read
 * from the source, passed on as it came (compressed, or as a hole) with the stamp it has there.
 */
export class CopySync {
  readonly source: CopyMask;
  readonly target: CopyMask;
  readonly #work: CopySyncOptions['work'];
  /** Where the next window begins; past the end when there is none. */
  #nextWindow = 0;
  /** The first pass over many windows only counts what there is to do. */
  #isCounting: boolean;
  #listing: Listing | undefined;
  /** Next task last. */
  #tasks: SyncTask[];
  readonly #moves = new Map<number, Move>();
  /** Number of the first frame that was staged and is not carried out. */
  #firstStagedSeq: number | undefined;
  #commit: Commit | undefined;
  #totalBytes = 0;
  #doneBytes = 0;
  #differenceBytes = 0;
  /** Time that the last piece took, for whoever paces this. */
  lastMoveMs = 0;

  constructor({ source, target, work }: CopySyncOptions) {
    this.source = source;
    this.target = target;
    this.#work = work;
    this.#isCounting = work.kind === 'volume' && work.sizeBytes > MAX_STAMPS_BYTES;
    this.#tasks = work.kind === 'pieces' ? work.tasks.toReversed() : [];
    this.#count(this.#tasks);
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Known once every window was listed; until then what was found so far. */
  get totalBytes(): number {
    return Math.max(this.#totalBytes, this.#doneBytes);
  }

  /** Known to differ and not moved yet. */
  get differenceBytes(): number {
    return Math.max(this.#differenceBytes, 0);
  }

  /** Whether all that is to be done is known. */
  get isCounted(): boolean {
    return !this.#isCounting && (this.#hasListedAll || this.#totalBytes > 0);
  }

  get isDone(): boolean {
    return this.#hasMovedAll && this.#firstStagedSeq === undefined;
  }

  get #hasMovedAll(): boolean {
    return this.#hasListedAll && this.#tasks.length === 0 && this.#moves.size === 0;
  }

  get movesUnderWay(): number {
    return this.#moves.size;
  }

  get #hasListedAll(): boolean {
    if (this.#work.kind === 'pieces') return true;
    return (
      !this.#isCounting && this.#listing === undefined && this.#nextWindow >= this.#work.sizeBytes
    );
  }

  /** Whether regions on their way touch `[start, end)`. */
  locks(start: number, end: number): boolean {
    for (const move of this.#moves.values()) {
      if (move.start < end && start < move.end) return true;
    }
    return false;
  }

  /** Whether this copy has owed an answer since before `sinceMs`. */
  hasOverdue(copy: CopyMask, sinceMs: number): boolean {
    if (this.#listing !== undefined && this.#listing.sentMs < sinceMs) {
      if (!this.#listing.stamps.has(copy) && this.#both & copy) return true;
    }
    for (const move of this.#moves.values()) {
      if (move.sentMs < sinceMs && this.#owes(move, copy)) return true;
    }
    return this.#commit !== undefined && this.#commit.sentMs < sinceMs && copy === this.target;
  }

  owns(seq: number): boolean {
    return this.#moves.has(seq) || this.#listing?.seq === seq || this.#commit?.seq === seq;
  }

  /** Starts pieces until `limit` of them are under way. */
  fill(limit: number, context: SyncContext): void {
    while (this.#moves.size < limit) {
      const task = this.#tasks.pop();
      if (task === undefined) break;
      const stage = task.isCompared ? 'hashing' : 'reading';
      this.#begin({ ...task, stage, startedMs: context.nowMs }, context);
    }
    if (this.#tasks.length === 0) this.#listNext(context);
    if (this.#firstStagedSeq !== undefined && this.#hasMovedAll) this.#commitOnce(context);
  }

  /** An answer to a request that `owns` knows. Returns false when it makes no sense (I11). */
  onReply({ bit }: CopyEntry, frame: Frame, context: SyncContext): boolean {
    if (this.#listing?.seq === frame.seq) return this.#onStamps(bit, frame, context);
    if (this.#commit?.seq === frame.seq) {
      this.#commit = this.#firstStagedSeq = undefined;
      return frame.opcode === OPCODE.COMMIT_REPLY;
    }
    const move = this.#moves.get(frame.seq);
    if (move === undefined) return true;
    switch (move.stage) {
      case 'hashing':
        return this.#onHashes(move, bit, frame, context);
      case 'reading':
        return this.#onRead(move, frame, context);
      case 'writing':
        this.#moves.delete(frame.seq);
        this.#doneBytes += move.end - move.start;
        this.#differenceBytes -= move.end - move.start;
        this.lastMoveMs = context.nowMs - move.startedMs;
        return true;
    }
  }

  // Listing.

  #listNext({ numbers, nowMs, effects }: SyncContext): void {
    if (this.#work.kind === 'pieces' || this.#listing !== undefined) return;
    const { sizeBytes } = this.#work;
    if (this.#nextWindow >= sizeBytes) {
      if (!this.#isCounting) return;
      this.#isCounting = false;
      this.#nextWindow = 0;
    }
    const start = this.#nextWindow;
    const end = Math.min(start + MAX_STAMPS_BYTES, sizeBytes);
    const question = makeControl(numbers, OPCODE.STAMPS, this.#both, { start, end });
    this.#nextWindow = end;
    this.#listing = { start, end, seq: question.seq, stamps: new Map(), sentMs: nowMs };
    effects.push(question);
  }

  #onStamps(copy: CopyMask, frame: Frame, context: SyncContext): boolean {
    const listing = this.#listing!;
    if (frame.opcode !== OPCODE.STAMPS_REPLY || this.#work.kind !== 'volume') return false;
    if (frame.payload.length !== regionCountOf(listing) * STAMP_BYTES) return false;
    listing.stamps.set(copy, Buffer.from(frame.payload));
    const source = listing.stamps.get(this.source);
    const target = listing.stamps.get(this.target);
    if (source === undefined || target === undefined) return true;
    this.#listing = undefined;
    const tasks = planWindow(listing, { source, target }, this.#work.known);
    if (this.#isCounting) {
      this.#count(tasks);
      this.#listNext(context);
      return true;
    }
    if (this.#work.sizeBytes <= MAX_STAMPS_BYTES) this.#count(tasks);
    this.#tasks = tasks.reverse();
    return true;
  }

  #count(tasks: readonly SyncTask[]): void {
    this.#totalBytes += bytesIn(tasks);
    this.#differenceBytes += bytesIn(tasks.filter(({ isCompared }) => !isCompared));
  }

  // Moving.

  #begin(piece: ByteRange & Pick<Move, 'stage' | 'startedMs'>, context: SyncContext): void {
    const { numbers, nowMs, effects } = context;
    const isHashing = piece.stage === 'hashing';
    const opcode = isHashing ? OPCODE.HASHES : OPCODE.READ;
    const question = makeControl(numbers, opcode, isHashing ? this.#both : this.source, piece);
    const { generation } = numbers;
    this.#moves.set(question.seq, { ...piece, hashes: new Map(), sentMs: nowMs, generation });
    effects.push(question);
  }

  #onHashes(move: Move, copy: CopyMask, frame: Frame, context: SyncContext): boolean {
    const { seq, payload, opcode } = frame;
    if (opcode !== OPCODE.HASHES_REPLY) return false;
    if (payload.length !== regionCountOf(move) * HASH_ENTRY_BYTES) return false;
    move.hashes.set(copy, Buffer.from(payload));
    const source = move.hashes.get(this.source);
    const target = move.hashes.get(this.target);
    if (source === undefined || target === undefined) return true;
    this.#moves.delete(seq);
    this.lastMoveMs = context.nowMs - move.startedMs;
    const { startedMs } = move;
    for (const { start, end, isEqual, stamp } of compare(move, source, target)) {
      if (isEqual) {
        this.#mark({ start, end }, stamp, move, context);
        this.#doneBytes += end - start;
      } else {
        this.#differenceBytes += end - start;
        this.#begin({ start, end, stage: 'reading', startedMs }, context);
      }
    }
    return true;
  }

  /** Equal bytes take the source's stamp; one that nobody knew is settled on both sides. */
  #mark(range: ByteRange, stamp: number, move: Move, { numbers, effects }: SyncContext): void {
    const copies = stamp === STAMP.UNKNOWN ? this.#both : this.target;
    const generation = stampFor(stamp, move, numbers);
    effects.push(makeMark(numbers, copies, range, { flags: FLAG.ASSIGN, generation }));
  }

  #onRead(move: Move, frame: Frame, context: SyncContext): boolean {
    if (frame.opcode !== OPCODE.READ_REPLY || frame.length !== move.end - move.start) return false;
    const { numbers, nowMs, effects } = context;
    this.#moves.delete(frame.seq);
    const isUnknown = frame.generation === STAMP.UNKNOWN;
    if (isUnknown) effects.push(makeMark(numbers, this.source, move, { flags: FLAG.ASSIGN }));
    const isHole = (frame.flags & FLAG.ZERO) !== 0;
    const opcode = isHole ? OPCODE.TRIM : OPCODE.WRITE;
    const write = {
      ...makeControl(numbers, opcode, this.target, move),
      flags: FLAG.ASSIGN | this.#stagedFlag | (isHole ? 0 : frame.flags & FLAG.LZ4),
      generation: stampFor(frame.generation, move, numbers),
      data: isHole ? undefined : frame.payload,
      isEncoded: true,
    };
    this.#moves.set(write.seq, { ...move, stage: 'writing', sentMs: nowMs });
    if (this.#stagedFlag !== 0) this.#firstStagedSeq ??= write.seq;
    effects.push(write);
    return true;
  }

  /**
   * A copy that is in-sync may become the primary at any time, so it must not be seen with some of
   * the other's bytes: an atomic write that only one of the two has would be there by halves.
   */
  get #stagedFlag(): number {
    return this.#work.kind === 'pieces' ? FLAG.STAGED : 0;
  }

  #commitOnce({ numbers, nowMs, effects }: SyncContext): void {
    if (this.#commit !== undefined) return;
    const first = this.#firstStagedSeq!;
    const commit = makeControl(numbers, OPCODE.COMMIT, this.target, { start: first, end: first });
    this.#commit = { seq: commit.seq, sentMs: nowMs };
    effects.push(commit);
  }

  get #both(): CopyMask {
    return this.source | this.target;
  }

  #owes(move: Move, copy: CopyMask): boolean {
    if (move.stage === 'reading') return copy === this.source;
    if (move.stage === 'writing') return copy === this.target;
    return (copy & this.#both) !== 0 && !move.hashes.has(copy);
  }
}

/**
 * The stamp that the target takes over. If a copy was struck off since the source was asked, the marks
 * for it may have come behind the source's answer, and must not be undone on the target.
 */
function stampFor(stamp: number, move: Move, { generation }: FrameNumbers): number {
  if (stamp === STAMP.UNKNOWN || move.generation !== generation) return generation;
  return Math.max(stamp, 1);
}

/** Neighbouring regions with the same outcome, as one. */
function compare(
  range: ByteRange,
  source: Buffer,
  target: Buffer,
): { start: number; end: number; isEqual: boolean; stamp: number }[] {
  const runs: { start: number; end: number; isEqual: boolean; stamp: number }[] = [];
  for (let region = 0; region < regionCountOf(range); region += 1) {
    const at = region * HASH_ENTRY_BYTES;
    const stamp = source.readUInt32LE(at);
    const [from, to] = [at + STAMP_BYTES, at + HASH_ENTRY_BYTES];
    const isEqual = source.compare(target, from, to, from, to) === 0;
    const start = range.start + region * REGION_BYTES;
    const end = Math.min(start + REGION_BYTES, range.end);
    const last = runs.at(-1);
    if (last?.isEqual === isEqual && last.stamp === stamp) last.end = end;
    else runs.push({ start, end, isEqual, stamp });
  }
  return runs;
}
