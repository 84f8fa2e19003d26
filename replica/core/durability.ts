import { assert } from '../common/assert.ts';
import type { Page, StoreFile } from '../store/page.ts';
import type { RegionMap } from '../store/region-map.ts';
import type { Asker } from './answers.ts';
import type { ExtentTracker } from './extent-tracker.ts';
import type { Journal } from './journal.ts';
import type { ReplicaEffect } from './step.ts';

/** With more hot extents than this (4 GiB), those not written to for the longest are made cold. */
const MAX_HOT_EXTENTS = 1024;
const KEPT_HOT_EXTENTS = MAX_HOT_EXTENTS / 2;
/** After a checkpoint that left more, so many new ones are waited for before the next is tried. */
const HOT_SLACK = 256;
/** Beats of the controller's heart without a change, one a second, until a copy is idle. */
const IDLE_BEATS = 5;

/**
 * A sync fills the page cache far faster than the kernel writes it back by itself, and its CHECKPOINT
 * would wait for all of it: after so many bytes they are made durable on the way.
 */
const WRITE_BACK_BYTES = 64 * 1024 * 1024;

/** Who waits for a checkpoint, and for how much of it. */
export type CheckpointWaiter =
  /** Data and region map are durable. */
  | { readonly kind: 'checkpoint'; readonly asker: Asker }
  /** And nothing is hot any more that need not be. */
  | { readonly kind: 'goodbye'; readonly asker: Asker }
  | { readonly kind: 'shutdown' };

/** What a checkpoint makes cold of what is hot and settled. */
type Clearing = 'nothing' | 'oldest' | 'all';

interface Checkpoint {
  waiters: CheckpointWaiter[];
  clearing: Clearing;
}

/**
 * How far the checkpoint is, in the order that makes it one (ADR 0012): the data becomes durable,
 * then the stamps, then bits are cleared.
 */
type Stage = 'none' | 'data' | 'map' | 'bits';

/**
 * What becomes durable when: one fdatasync at a time, which all share who asked before it began
 * (I8); one save of a store file at a time, in the order asked for; one checkpoint at a time.
 */
export class Durability {
  readonly #regions: RegionMap;
  readonly #extents: ExtentTracker;
  readonly #journal: Journal;
  /** For the next fdatasync. */
  #askers: Asker[] = [];
  /** For the one under way; undefined when there is none. */
  #syncing: Asker[] | undefined;
  /** It is over, but for what the journal must have on the disk before anybody is told. */
  #isMarkAwaited = false;
  #queue: StoreFile[] = [];
  #saving: StoreFile | undefined;
  #stage: Stage = 'none';
  /** Whether the save under way is the one that clears the bits. */
  #isClearing = false;
  #present: Checkpoint = { waiters: [], clearing: 'nothing' };
  /** Asked for and not begun. */
  #next: Checkpoint | undefined;
  #done: CheckpointWaiter[] = [];
  /** Written by a sync since the last fdatasync began. */
  #syncedBytes = 0;
  #hotLimit: number;
  #quietBeats = 0;

  constructor(regions: RegionMap, extents: ExtentTracker, journal: Journal) {
    this.#regions = regions;
    this.#extents = extents;
    this.#journal = journal;
    this.#hotLimit = limitFor(extents.hotCount);
  }

  /** An answer that is owed once everything carried out so far is on stable storage. */
  flush(asker: Asker): void {
    this.#askers.push(asker);
  }

  checkpoint(waiter: CheckpointWaiter): void {
    this.#want(waiter.kind === 'checkpoint' ? 'nothing' : 'all').waiters.push(waiter);
  }

  /** A change was carried out: the copy is not idle. */
  noteChange(): void {
    this.#quietBeats = 0;
  }

  /** A sync wrote so many bytes. */
  noteSynced(bytes: number): void {
    this.#syncedBytes += bytes;
  }

  /** Extents became hot. */
  noteHot(): void {
    if (this.#isFree && this.#extents.hotCount > this.#hotLimit) this.#want('oldest');
  }

  /** The clock of this copy: it has no other. */
  beat(settledSeq: number): void {
    this.#quietBeats += 1;
    if (this.#quietBeats < IDLE_BEATS || !this.#isFree) return;
    if (this.#extents.canClear(settledSeq)) this.#want('all');
  }

  /** All effects so far have been carried out: starts what is asked for and may start. */
  advance(settledSeq: number, effects: ReplicaEffect[]): void {
    if (this.#extents.hasUnsaved) this.#enqueue('hot');
    if (this.#journal.hasUnsaved) this.#enqueue('journal');
    while (this.#saving === undefined && this.#queue.length > 0) {
      const file = this.#queue.shift()!;
      const pages = this.#takePages(file, settledSeq);
      this.#saving = file;
      if (pages.length > 0) effects.push({ kind: 'save', file, pages });
      else this.#finishSave(); // the file is as it should be
    }
    this.#startSync(effects); // last, since a save that was not needed may have ended a checkpoint
  }

  /** The fdatasync is over, well or not; returns who waited for it, and need not wait longer. */
  synced(isDurable: boolean): Asker[] {
    assert(this.#syncing !== undefined, 'an fdatasync was under way');
    if (isDurable) this.#journal.synced();
    if (!isDurable || !this.#journal.holdsFlushes) return this.#finishSync();
    this.#isMarkAwaited = true;
    return [];
  }

  /** The save under way is durable; returns whose fdatasync is over by this. */
  saved(): Asker[] {
    assert(this.#saving !== undefined, 'a save was under way');
    this.#finishSave();
    return this.#isMarkAwaited && !this.#journal.holdsFlushes ? this.#finishSync() : [];
  }

  /** There was no space for the save under way. Returns what to note, if it was that of a record. */
  refused(): Page | undefined {
    if (!this.#journal.isSavingRecord || this.#saving !== 'journal') return undefined;
    this.#saving = undefined;
    return this.#journal.refused();
  }

  /** Those whose checkpoint has come as far as they wait for, since the last call. */
  takeDone(): CheckpointWaiter[] {
    const done = this.#done;
    if (done.length > 0) this.#done = [];
    return done;
  }

  get #isFree(): boolean {
    return this.#stage === 'none' && this.#next === undefined;
  }

  #want(clearing: Clearing): Checkpoint {
    this.#next ??= { waiters: [], clearing };
    if (this.#next.clearing === 'nothing' || clearing === 'all') this.#next.clearing = clearing;
    return this.#next;
  }

  /** A checkpoint begins with an fdatasync, never in the middle of one. */
  #startSync(effects: ReplicaEffect[]): void {
    const begins = this.#stage === 'none' && this.#next !== undefined;
    const isFull = this.#syncedBytes >= WRITE_BACK_BYTES;
    const isDue = begins || isFull || this.#askers.length > 0 || this.#journal.wantsSync;
    if (this.#syncing !== undefined || !isDue) return;
    this.#syncedBytes = 0;
    this.#syncing = this.#askers;
    this.#askers = [];
    if (begins) this.#begin(this.#next!);
    this.#journal.syncBegins();
    effects.push({ kind: 'fdatasync' });
  }

  #finishSync(): Asker[] {
    const askers = this.#syncing!;
    this.#syncing = undefined;
    this.#isMarkAwaited = false;
    if (this.#stage === 'data') {
      this.#stage = 'map';
      this.#enqueue('regions');
    }
    return askers;
  }

  #begin(checkpoint: Checkpoint): void {
    this.#stage = 'data';
    this.#present = checkpoint;
    this.#next = undefined;
    if (checkpoint.clearing === 'nothing') return;
    this.#extents.beginLeaving(checkpoint.clearing === 'oldest' ? KEPT_HOT_EXTENTS : 0);
  }

  #enqueue(file: StoreFile): void {
    if (!this.#queue.includes(file)) this.#queue.push(file);
  }

  #takePages(file: StoreFile, settledSeq: number): readonly Page[] {
    if (file === 'regions') return this.#regions.takeDirtyPages();
    if (file === 'journal') return this.#journal.takeSave();
    if (this.#stage === 'bits') {
      this.#extents.clearLeaving(settledSeq);
      this.#isClearing = true;
    }
    return this.#extents.takeSave();
  }

  #finishSave(): void {
    const file = this.#saving;
    this.#saving = undefined;
    if (file === 'journal') return this.#journal.saved();
    if (file === 'hot') {
      this.#extents.saved();
      if (!this.#isClearing) return;
      this.#isClearing = false;
      this.#finish();
      return;
    }
    // Only a checkpoint saves the region map.
    this.#settleWaiters((waiter) => waiter.kind === 'checkpoint');
    if (this.#present.clearing === 'nothing') {
      this.#finish();
    } else {
      this.#stage = 'bits';
      this.#enqueue('hot');
    }
  }

  #finish(): void {
    this.#stage = 'none';
    this.#settleWaiters(() => true);
    this.#hotLimit = limitFor(this.#extents.hotCount);
  }

  #settleWaiters(isDone: (waiter: CheckpointWaiter) => boolean): void {
    const { waiters } = this.#present;
    this.#done.push(...waiters.filter(isDone));
    this.#present.waiters = waiters.filter((waiter) => !isDone(waiter));
  }
}

function limitFor(hotCount: number): number {
  return Math.max(MAX_HOT_EXTENTS, hotCount + HOT_SLACK);
}
