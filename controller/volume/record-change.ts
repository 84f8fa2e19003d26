import type { Copy, Membership } from '../protocol/membership.ts';
import type { CopyEntry } from './copies.ts';

/**
 * The record as it should be, given what is known of the copies; undefined when it is that already.
 * Level-triggered: it is asked again after every answer of the registry, so a lost answer needs no
 * case of its own.
 *
 * @param mayJoin whether copies that are not in-sync may begin to sync (only once volume is active)
 * @param losses how many power losses it is to admit
 * @param sizeBytes what every copy has that takes writes
 */
export function nextRecord(
  record: Membership,
  entries: readonly CopyEntry[],
  facts: { readonly mayJoin: boolean; readonly losses: number; readonly sizeBytes: number },
): Membership | undefined {
  const { mayJoin, losses } = facts;
  const staysInSync = entries.some((entry) => entry.record.state === 'in-sync' && !entry.mustLeave);
  const context = { generation: record.generation, staysInSync, mayJoin };
  const sizeBytes = Math.max(record.sizeBytes, facts.sizeBytes);
  let isChanged = losses !== record.losses || sizeBytes !== record.sizeBytes;
  let isSetChanged = false;
  const copies: Record<string, Copy> = { ...record.copies };
  for (const entry of entries) {
    const next = nextCopy(entry, context);
    if (next === entry.record) continue;
    isChanged = true;
    if ((next.state === 'in-sync') !== (entry.record.state === 'in-sync')) isSetChanged = true;
    copies[entry.replicaId] = next;
  }
  if (!isChanged) return undefined;
  return {
    ...record,
    version: record.version + 1,
    generation: isSetChanged ? record.generation + 1 : record.generation,
    losses,
    sizeBytes,
    copies,
  };
}

interface Context {
  readonly generation: number;
  readonly staysInSync: boolean;
  readonly mayJoin: boolean;
}

/** The same object when nothing changes. */
function nextCopy(entry: CopyEntry, context: Context): Copy {
  return entry.record.state === 'in-sync'
    ? nextOfInSync(entry, context)
    : nextOfOther(entry, context);
}

function nextOfInSync(entry: CopyEntry, context: Context): Copy {
  const { record, welcome } = entry;
  if (entry.mustLeave) {
    // The last in-sync copy is never struck off, whatever happened to it (I12).
    if (!context.staysInSync) return record;
    if (entry.isForeign) return { ...record, state: 'lost', generation: 0 };
    return { ...record, state: 'stale', generation: context.generation };
  }
  if (welcome === undefined) return record;
  if (record.dataId === null) {
    return { ...record, dataId: welcome.dataId, session: welcome.session };
  }
  // The start must not wait for it, so the session is repeated once the volume is active (I5).
  if (context.mayJoin && welcome.session > record.session) {
    return { ...record, session: welcome.session };
  }
  return record;
}

function nextOfOther(entry: CopyEntry, context: Context): Copy {
  const { record, welcome } = entry;
  if (entry.joining === 'durable') {
    return { ...record, state: 'in-sync', generation: context.generation + 1 };
  }
  // Recorded before it is connected to: see connecting.ts.
  if (entry.hasUnknownContent && record.generation !== 0) return { ...record, generation: 0 };
  if (welcome === undefined || !context.mayJoin || entry.isUnwanted) return record;
  const { dataId, session } = welcome;
  const generation = record.dataId === dataId ? record.generation : 0;
  const next: Copy = { ...record, state: 'syncing', dataId, generation, session };
  const isSame =
    record.state === next.state &&
    record.dataId === dataId &&
    record.generation === generation &&
    record.session === session;
  return isSame ? record : next;
}
