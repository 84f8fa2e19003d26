import { OPCODE } from '../../replica/protocol/constants.ts';
import type { VolumeSpec } from '../protocol/registration.ts';
import { type Copies, type CopyEntry, endRestart } from './copies.ts';
import { makeControl } from './frames.ts';
import { chooseSurvivor } from './gathering.ts';
import type { IoPath } from './io-path.ts';
import { notice, noticeLoss } from './notices.ts';
import type { RecordKeeper } from './record-keeper.ts';
import type { VolumeEffect } from './step.ts';
import type { SyncJobs } from './sync-jobs.ts';

/**
 * When every in-sync copy dropped its connection, none can be struck off for missing a write that
 * nobody has. The first to return is given what it may have missed, and the others then leave.
 */
export function keepLastCopy(
  copies: Copies,
  spec: VolumeSpec,
  { io, keeper }: { readonly io: IoPath; readonly keeper: RecordKeeper },
  effects: VolumeEffect[],
): void {
  const inSync = copies.inSync();
  if (inSync.some((entry) => !entry.mustLeave)) return;
  const choice = chooseSurvivor(inSync, spec);
  if (choice === undefined) return;
  const { survivor, loss } = choice;
  // A copy on its way in has every acknowledged write: with it in-sync, this one need not stay.
  if (loss !== 'none' && copies.entries.some(isJoining)) return;
  survivor.mustLeave = false;
  copies.recount();
  noticeLoss(loss, survivor, { io, keeper }, effects);
  io.sendAgain(survivor, effects);
  effects.push(notice('went on with the first copy to return', { replica: survivor.replicaId }));
}

function isJoining({ joining, welcome }: CopyEntry): boolean {
  return joining !== 'no' && welcome !== undefined;
}

/**
 * Copies that restarted and stayed in-sync are told that they are whole (I13). Not before the record
 * knows which copies stay: until then the next controller must still find out which had more.
 */
export function tellWhole(copies: Copies, io: IoPath, effects: VolumeEffect[]): void {
  if (copies.inSync().some((entry) => entry.mustLeave)) return;
  for (const entry of copies.entries) {
    if ((entry.bit & copies.usable) === 0 || entry.welcome?.restart === 'none') continue;
    effects.push(makeControl(io, OPCODE.CHECKPOINT, entry.bit));
    endRestart(entry);
  }
}

/** The orchestrator took a copy out of the record. */
export function removeCopy(
  entry: CopyEntry,
  { copies, syncs, io }: { copies: Copies; syncs: SyncJobs; io: IoPath },
  effects: VolumeEffect[],
): void {
  syncs.cancel(entry);
  io.forget(entry);
  copies.remove(entry);
  effects.push({ kind: 'drop', copy: entry.index });
  effects.push(notice('copy removed', { replica: entry.replicaId }));
}

/** The orchestrator wants a copy gone: it goes as soon as another one has everything (I12). */
export function letUnwantedLeave(copies: Copies, syncs: SyncJobs, io: IoPath): void {
  for (const entry of copies.entries) {
    if (!entry.isUnwanted) continue;
    if (entry.record.state !== 'in-sync') {
      syncs.cancel(entry);
      io.forget(entry);
    } else if ((copies.usable & ~entry.bit) !== 0) {
      entry.mustLeave = true;
    }
    copies.recount();
  }
}
