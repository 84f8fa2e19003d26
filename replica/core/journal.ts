import { assert } from '../common/assert.ts';
import type { Frame } from '../protocol/frame.ts';
import {
  type JournalContent,
  makeMark,
  RECORDS_OFFSET,
  rangesOf,
  type WrittenRecord,
} from '../store/journal-content.ts';
import type { Page } from '../store/page.ts';
import { encodeRecord, makeErasure, recordBytes } from '../store/redo-record.ts';

/**
 * Where the newest record is.
 *
 *   idle    → asked    changes are to be carried out as a whole
 *   asked   → saving   the record is written to the disk
 *   saving  → saved    it is durable
 *   saved   → carrying its changes are being carried out; nothing else is
 *   carrying → idle    they are in the data file, all in one turn
 *   asked, saving, saved → idle   given up with its connection, or there was no space for it
 */
type State = 'idle' | 'asked' | 'saving' | 'saved' | 'carrying';

/** A record that would be carried out again after a power loss. */
interface Kept extends Omit<WrittenRecord, 'isOverlapped'> {
  isOverlapped: boolean;
}

/**
 * Writes down what must not be had by halves, before it is begun (ADR 0020). A record is durable
 * before the data changes, and stays until the data is durable. Newer changes go over it freely, but
 * no flush is answered for them before the mark on the disk says that the record is done with.
 */
export class Journal {
  readonly #dataId: string;
  #state: State = 'idle';
  #changes: readonly Frame[] = [];
  #session = 0;
  /** In order; those of the round before go when the first of the next is durable. */
  #kept: Kept[];
  /** Number of the last record that was carried out, and of the last whose data is durable. */
  #carriedOut: number;
  #durable = 0;
  /** What the fdatasync under way makes durable. */
  #covered = 0;
  /** Where the next record begins, and where the room for records ends. */
  #end: number;
  readonly #room: number;
  /** Number that the mark on the disk will have. */
  #marking: number | undefined;
  #isGivenUp = false;
  /** What was refused may be there, whole, where the next record begins. */
  #isErasureDue = false;
  #isRoomWanted = false;

  constructor(dataId: string, content: JournalContent) {
    this.#dataId = dataId;
    this.#carriedOut = content.lastNumber;
    this.#end = content.end;
    this.#room = content.room;
    this.#kept = content.records.map((record) => ({ ...record }));
    if (content.records.length === 0) this.#durable = content.lastNumber;
  }

  /** Those that were written down later count only for whoever is connected now. */
  get carriedOutNumber(): number {
    return this.#carriedOut;
  }

  // A record on its way.

  /** Whether a record of these changes may be written down now. */
  hasRoomFor(changes: readonly Frame[]): boolean {
    if (this.#state !== 'idle') return false;
    return this.#isBehind(changes) || this.#durable === this.#carriedOut;
  }

  /** Somebody waits for room: all that was carried out must become durable. */
  wantRoom(): void {
    this.#isRoomWanted = this.#state === 'idle';
  }

  /** @param session of this copy, in which all of them came */
  record(changes: readonly Frame[], session: number): void {
    assert(this.hasRoomFor(changes), 'there is room for a record', { state: this.#state });
    // Another round: nothing of the one before is needed any more.
    if (!this.#isBehind(changes)) this.#end = RECORDS_OFFSET;
    this.#state = 'asked';
    this.#changes = changes;
    this.#session = session;
    this.#isRoomWanted = false;
  }

  /** Whether the newest record is durable and waits to be carried out. */
  get isSaved(): boolean {
    return this.#state === 'saved';
  }

  beginCarryingOut(): void {
    assert(this.#state === 'saved', 'what is carried out was written down');
    this.#state = 'carrying';
  }

  /** Nothing else may be changed meanwhile: whoever starts now carries the record out again. */
  get isCarryingOut(): boolean {
    return this.#state === 'carrying';
  }

  /**
   * All changes of the record are in the data file. Returns what the next process must find in the
   * page cache before anything newer happens.
   */
  carriedOut(): Page {
    assert(this.#state === 'carrying', 'what is carried out was begun');
    this.#state = 'idle';
    this.#end += recordBytes(this.#changes);
    this.#carriedOut += 1;
    this.#kept.push({
      ...{ number: this.#carriedOut, ranges: rangesOf(this.#changes), isOverlapped: false },
    });
    this.#changes = [];
    return makeMark('carriedOut', this.#carriedOut);
  }

  /** Its connection is gone: what is not carried out never will be. */
  giveUp(): void {
    this.#isRoomWanted = false;
    if (this.#state === 'saving') this.#isGivenUp = true;
    else if (this.#state !== 'carrying') this.#forget();
  }

  /** Something newer changes these bytes. */
  noteChange(offset: number, length: number): void {
    for (const kept of this.#kept) {
      kept.isOverlapped ||= kept.ranges.some(({ start, end }) => {
        return start < offset + length && offset < end;
      });
    }
  }

  // What becomes durable.

  /** Whether a flush must wait until the disk says what must not be carried out again. */
  get holdsFlushes(): boolean {
    if (this.#isErasureDue) return true;
    return this.#kept.some(({ number, isOverlapped }) => isOverlapped && number <= this.#durable);
  }

  get hasUnsaved(): boolean {
    return this.#state === 'asked' || this.holdsFlushes;
  }

  /** Whether the save under way brings a record. */
  get isSavingRecord(): boolean {
    return this.#state === 'saving';
  }

  takeSave(): Page[] {
    if (!this.hasUnsaved) return [];
    const pages: Page[] = [];
    if (this.#kept.some(({ number }) => number <= this.#durable)) {
      this.#marking = this.#durable;
      pages.push(makeMark('durable', this.#durable));
    }
    if (this.#state === 'asked') {
      this.#state = 'saving';
      const numbers = { number: this.#carriedOut + 1, session: this.#session };
      const record = { ...numbers, changes: this.#changes };
      pages.push(...encodeRecord(record, this.#dataId, this.#end));
    } else if (this.#isErasureDue) {
      pages.push(makeErasure(this.#end));
    }
    return pages;
  }

  /** The save is durable. */
  saved(): void {
    const done = this.#marking ?? 0;
    this.#marking = undefined;
    this.#kept = this.#kept.filter(({ number }) => number > done);
    this.#isErasureDue = false;
    if (this.#state !== 'saving') return;
    if (this.#isGivenUp) this.#forget();
    else this.#state = 'saved';
  }

  /**
   * There is no space for the record: its changes are not carried out. Returns what keeps the next
   * process from doing so; in the page cache at once, on the disk before a flush is answered.
   */
  refused(): Page {
    this.#marking = undefined;
    this.#isErasureDue = true;
    this.#forget();
    return makeErasure(this.#end);
  }

  /** Whether somebody waits for an fdatasync of the data. */
  get wantsSync(): boolean {
    return this.#isRoomWanted && this.#durable < this.#carriedOut;
  }

  /** One begins, behind all that was carried out so far. */
  syncBegins(): void {
    this.#covered = this.#carriedOut;
  }

  /** It is over, and well. */
  synced(): void {
    this.#durable = this.#covered;
  }

  #forget(): void {
    this.#state = 'idle';
    this.#isGivenUp = false;
    this.#changes = [];
  }

  #isBehind(changes: readonly Frame[]): boolean {
    return this.#end + recordBytes(changes) <= this.#room;
  }
}
