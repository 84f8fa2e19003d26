import { assert } from '../../replica/common/assert.ts';
import type { Welcome } from '../../replica/protocol/hello.ts';
import type { Copy, Membership } from '../protocol/membership.ts';
import type { Registration, ReplicaAddress } from '../protocol/registration.ts';
import type { CopyStatus, SyncProgress } from '../protocol/status.ts';
import type { CopyIndex, CopyMask } from './step.ts';

/** What this controller knows of one copy. */
export interface CopyEntry {
  readonly index: CopyIndex;
  readonly bit: CopyMask;
  readonly replicaId: string;
  /** As the membership record has it. */
  record: Copy;
  /** Where it serves; undefined until the registration says so. */
  address: ReplicaAddress | undefined;
  /** Set while the connection is up and its handshake done. */
  welcome: Welcome | undefined;
  /** Of the last welcome; 0 before the first. */
  seenSession: number;
  /** Of the last welcome, or grown since. */
  sizeBytes: number;
  /** The RESIZE that it was sent and has not answered. */
  growing: { readonly seq: number; readonly sizeBytes: number } | undefined;
  growNotBeforeMs: number;
  /** In-sync in the record, but it missed something or may have: it must be struck off (I2). */
  mustLeave: boolean;
  /** Its bytes are not those that the record speaks of: nothing is known of what it has (N11, I5). */
  isForeign: boolean;
  /** Not in-sync, and its disk is another one or was rolled back: its sync must compare it all. */
  hasUnknownContent: boolean;
  /** The orchestrator wants it gone (registration.leaving): it is not synced any more. */
  isUnwanted: boolean;
  /**
   * A syncing copy on its way in: 'flushing' from the moment its CHECKPOINT is sent, 'durable' once
   * that is answered (I14). Either way every acknowledgement waits for it (I1).
   */
  joining: 'no' | 'flushing' | 'durable';
  /** It could not read or take what makes the copies identical at a start (I6). */
  hasFailed: boolean;
  /** Syncing: it receives every new write. */
  isReceiving: boolean;
  /** Newest mutation it has answered: it has done all that was sent to it before that one. */
  answeredSeq: number;
  /** Until when reads may trust that no other controller serves without this copy (I7). */
  leaseUntilMs: number;
  lastHeardMs: number;
  /** After a failed sync, when to try again. */
  syncNotBeforeMs: number;
}

/** More at once than a record may list; positions are used again, so masks stay small integers. */
const MAX_ENTRIES = 30;

/** The copies of one volume, with the sets that the write path needs as bit masks. */
export class Copies {
  /** In-sync in the record or on its way in: every acknowledgement waits for these (I1). */
  required: CopyMask = 0;
  /** Up and to be sent every new write. */
  receiving: CopyMask = 0;
  /** In-sync, up and complete: may be read from. */
  usable: CopyMask = 0;
  usableCount = 0;
  /** A read that is answered before this moment shows the newest acknowledged bytes (I7). */
  leaseUntilMs = 0;
  #entries: CopyEntry[];
  /** Asked with every frame. */
  readonly #byIndex: (CopyEntry | undefined)[];

  constructor(membership: Membership) {
    this.#entries = Object.entries(membership.copies).map(([replicaId, record], index) =>
      makeEntry(index, replicaId, record),
    );
    this.#byIndex = [...this.#entries];
    this.recount();
  }

  get entries(): readonly CopyEntry[] {
    return this.#entries;
  }

  /** The entry at a position, or undefined when that copy was taken out meanwhile. */
  at(index: CopyIndex): CopyEntry | undefined {
    return this.#byIndex[index];
  }

  /** The one to read from, if the choice is free. */
  get firstUsable(): CopyEntry | undefined {
    return this.#entries.find((entry) => (entry.bit & this.usable) !== 0);
  }

  /** What the record does not say: where copies serve, and which the orchestrator wants gone. */
  learn({ addresses, leaving }: Registration): void {
    for (const entry of this.#entries) {
      entry.address = addresses[entry.replicaId] ?? entry.address;
      entry.isUnwanted = leaving.includes(entry.replicaId);
    }
  }

  /**
   * Takes over what the record says; a copy may leave or join the in-sync set by this. Returns the
   * copies that were in-sync and are not any more.
   */
  adopt(membership: Membership): CopyMask {
    const wasInSync = this.inSync();
    for (const [replicaId, record] of Object.entries(membership.copies)) {
      const entry = this.#entries.find((candidate) => candidate.replicaId === replicaId);
      if (entry === undefined) this.#add(replicaId, record);
      else adoptOne(entry, record);
    }
    this.recount();
    return wasInSync.reduce(
      (left, { record, bit }) => (record.state === 'in-sync' ? left : left | bit),
      0,
    );
  }

  /** Copies that a record does not list any more. */
  missingIn(membership: Membership): CopyEntry[] {
    return this.#entries.filter(({ replicaId }) => membership.copies[replicaId] === undefined);
  }

  remove(entry: CopyEntry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#byIndex[entry.index] = undefined;
    this.recount();
  }

  /**
   * The connection to a copy is gone. Returns whether acknowledgements still wait for it, because
   * the record lists it in-sync, or may do so by a change that is under way (I1, I2).
   */
  lose(entry: CopyEntry, volume: { isActive: boolean; isChanging: boolean }): boolean {
    const wasUp = entry.welcome !== undefined;
    entry.welcome = undefined;
    entry.growing = undefined;
    entry.isReceiving = false;
    const isPromised = entry.joining === 'durable' && volume.isChanging;
    const isWaitedFor = entry.record.state === 'in-sync' || isPromised;
    // Before the volume was ever active nothing was sent that a reconnect could have missed.
    if (isWaitedFor && wasUp && volume.isActive) entry.mustLeave = true;
    if (!isWaitedFor) entry.joining = 'no';
    this.recount();
    return isWaitedFor;
  }

  /** Call after any change of an entry. */
  recount(): void {
    this.required = 0;
    this.receiving = 0;
    this.usable = 0;
    this.usableCount = 0;
    this.leaseUntilMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries) {
      const isInSync = entry.record.state === 'in-sync';
      if (isInSync || entry.joining !== 'no') {
        this.required |= entry.bit;
        this.leaseUntilMs = Math.min(this.leaseUntilMs, entry.leaseUntilMs);
      }
      if (entry.welcome === undefined || entry.mustLeave) continue;
      if (isInSync || entry.isReceiving) this.receiving |= entry.bit;
      if (isInSync) {
        this.usable |= entry.bit;
        this.usableCount += 1;
      }
    }
  }

  get connected(): CopyMask {
    return this.#entries.reduce(
      (mask, { welcome, bit }) => (welcome === undefined ? mask : mask | bit),
      0,
    );
  }

  inSync(): CopyEntry[] {
    return this.#entries.filter((entry) => entry.record.state === 'in-sync');
  }

  #add(replicaId: string, record: Copy): void {
    const gap = this.#byIndex.indexOf(undefined);
    const index = gap < 0 ? this.#byIndex.length : gap;
    assert(index < MAX_ENTRIES, 'a record lists a bounded number of copies', { index });
    const entry = makeEntry(index, replicaId, record);
    this.#entries = [...this.#entries, entry];
    this.#byIndex[index] = entry;
  }
}

function makeEntry(index: CopyIndex, replicaId: string, record: Copy): CopyEntry {
  return {
    ...{ index, bit: 1 << index, replicaId, record, address: undefined },
    ...{ welcome: undefined, seenSession: 0, sizeBytes: 0, growing: undefined, growNotBeforeMs: 0 },
    ...{ mustLeave: false, isForeign: false, hasUnknownContent: false, isUnwanted: false },
    ...{ joining: 'no', hasFailed: false, isReceiving: false },
    ...{ answeredSeq: 0, leaseUntilMs: 0, lastHeardMs: 0, syncNotBeforeMs: 0 },
  };
}

/** What it may have forgotten does not matter any more (hello.ts). */
export function endRestart(entry: CopyEntry): void {
  if (entry.welcome !== undefined) entry.welcome = { ...entry.welcome, restart: 'none' };
}

function adoptOne(entry: CopyEntry, record: Copy): void {
  entry.record = record;
  if (record.state !== 'in-sync') {
    // One that was lost on its way in may be back by now, but without the writes in between.
    if (entry.welcome === undefined || entry.mustLeave) entry.joining = 'no';
    entry.mustLeave = false;
    entry.isForeign = false;
    entry.hasFailed = false;
    return;
  }
  // The change that made it in-sync was under way while its disk became another one.
  const isOther = record.dataId !== null && entry.welcome?.dataId !== record.dataId;
  if (entry.welcome !== undefined && (isOther || entry.hasUnknownContent)) {
    entry.isForeign = entry.mustLeave = true;
  }
  entry.hasUnknownContent = false;
  if (entry.joining !== 'no') {
    entry.joining = 'no';
    entry.isReceiving = false;
    if (entry.welcome === undefined) entry.mustLeave = true;
  }
}

/** A copy as an operator sees it. */
export function describeCopy(
  { replicaId, record, welcome }: CopyEntry,
  sync: SyncProgress | undefined,
): Omit<CopyStatus, 'isPrimary'> {
  const { node, state } = record;
  const isConnected = welcome !== undefined;
  return { replicaId, node, state, isConnected, ...(sync === undefined ? {} : { sync }) };
}
