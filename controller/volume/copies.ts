import { assert } from '../../replica/common/assert.ts';
import type { Welcome } from '../../replica/protocol/hello.ts';
import type { Copy, Membership } from '../protocol/membership.ts';
import type { CopyStatus, SyncProgress } from '../protocol/status.ts';
import type { CopyIndex, CopyMask } from './step.ts';

/** What this controller knows of one copy. */
export interface CopyEntry {
  readonly index: CopyIndex;
  readonly bit: CopyMask;
  readonly replicaId: string;
  /** As the membership record has it. */
  record: Copy;
  /** Set while the connection is up and its handshake done. */
  welcome: Welcome | undefined;
  /** In-sync in the record, but it missed something or may have: it must be struck off (I2). */
  mustLeave: boolean;
  /** Its directory is not the one of the record: a new identity, once struck off (N11). */
  isForeign: boolean;
  /**
   * A syncing copy on its way in: 'flushing' from the moment its last flush is sent, 'durable' once
   * that is answered (I14). Either way every acknowledgement waits for it (I1).
   */
  joining: 'no' | 'flushing' | 'durable';
  /** It could not read or take what makes the copies identical at a start (I6). */
  hasFailed: boolean;
  /** Syncing: it receives every new write. */
  isReceiving: boolean;
  /** Newest mutation it has answered: it has done all that was sent to it before that one. */
  answeredSeq: number;
  lastHeardMs: number;
  /** After a failed sync, when to try again. */
  syncNotBeforeMs: number;
}

/** The copies of one volume, with the sets that the write path needs as bit masks. */
export class Copies {
  readonly entries: readonly CopyEntry[];
  /** In-sync in the record or on its way in: every acknowledgement waits for these (I1). */
  required: CopyMask = 0;
  /** Up and to be sent every new write. */
  receiving: CopyMask = 0;
  /** In-sync, up and complete: may be read from. */
  usable: CopyMask = 0;
  usableCount = 0;

  constructor(membership: Membership) {
    this.entries = Object.entries(membership.copies).map(([replicaId, record], index) => ({
      index,
      bit: 1 << index,
      replicaId,
      record,
      welcome: undefined,
      mustLeave: false,
      isForeign: false,
      joining: 'no',
      hasFailed: false,
      isReceiving: false,
      answeredSeq: 0,
      lastHeardMs: 0,
      syncNotBeforeMs: 0,
    }));
    this.recount();
  }

  at(index: CopyIndex): CopyEntry {
    const entry = this.entries[index];
    assert(entry !== undefined, 'a copy of this volume', { index });
    return entry;
  }

  /** Takes over what the record says; a copy may leave or join the in-sync set by this. */
  adopt(membership: Membership): void {
    for (const entry of this.entries) {
      const record = membership.copies[entry.replicaId];
      if (record === undefined) continue;
      entry.record = record;
      if (record.state !== 'in-sync') {
        // One that was lost on its way in may be back by now, but without the writes in between.
        if (entry.welcome === undefined || entry.mustLeave) entry.joining = 'no';
        entry.mustLeave = false;
        entry.isForeign = false;
        entry.hasFailed = false;
        continue;
      }
      if (entry.joining !== 'no') {
        entry.joining = 'no';
        entry.isReceiving = false;
        if (entry.welcome === undefined) entry.mustLeave = true;
      }
    }
    this.recount();
  }

  /**
   * The connection to a copy is gone. Returns whether acknowledgements still wait for it, because
   * the record lists it in-sync, or may do so by a change that is under way (I1, I2).
   */
  lose(entry: CopyEntry, volume: { isActive: boolean; isChanging: boolean }): boolean {
    const wasUp = entry.welcome !== undefined;
    entry.welcome = undefined;
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
    for (const entry of this.entries) {
      const isInSync = entry.record.state === 'in-sync';
      if (isInSync || entry.joining !== 'no') this.required |= entry.bit;
      if (entry.welcome === undefined || entry.mustLeave) continue;
      if (isInSync || entry.isReceiving) this.receiving |= entry.bit;
      if (isInSync) {
        this.usable |= entry.bit;
        this.usableCount += 1;
      }
    }
  }

  inSync(): CopyEntry[] {
    return this.entries.filter((entry) => entry.record.state === 'in-sync');
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
