import type { CopyEntry } from './copies.ts';
import type { Loss } from './gathering.ts';
import type { IoPath } from './io-path.ts';
import type { RecordKeeper } from './record-keeper.ts';
import type { VolumeEffect } from './step.ts';

/** A state transition worth one line in the log. */
export function notice(message: string, fields: Readonly<Record<string, unknown>>): VolumeEffect {
  return { kind: 'notice', message, fields };
}

/** Says what may be gone: to the operator, the initiators, and controllers to come (I13). */
export function noticeLoss(
  loss: Loss,
  { replicaId }: CopyEntry,
  { io, keeper }: { readonly io: IoPath; readonly keeper: RecordKeeper },
  effects: VolumeEffect[],
): void {
  if (loss === 'none') return;
  keeper.admitLoss();
  io.failFlushes(effects);
  const consequence = 'writes that were acknowledged but never flushed may be gone';
  const message =
    loss === 'all-lost-power'
      ? 'every copy lost power or failed a flush'
      : 'started from a copy that may lack writes';
  effects.push(notice(message, { replica: replicaId, consequence }));
  effects.push({ kind: 'power-lost', isPast: false });
}

/** The same, when another controller found it out while this one waited for the epoch. */
export function noticePastLoss(
  { io, keeper }: { readonly io: IoPath; readonly keeper: RecordKeeper },
  effects: VolumeEffect[],
): void {
  if (!keeper.hasMissedLoss) return;
  io.failFlushes(effects);
  effects.push({ kind: 'power-lost', isPast: true });
}
