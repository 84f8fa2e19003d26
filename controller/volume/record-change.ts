import type { Copy, Membership } from '../protocol/membership.ts';
import type { CopyEntry } from './copies.ts';

/**
 * The record as it should be, given what is known of the copies; undefined when it is that already.
 * Level-triggered: it is asked again after every answer of the registry, so a lost answer needs no
 * case of its own.
 *
 * @param mayJoin whether copies that are not in-sync may begin to sync (only once volume is active)
 */
export function nextRecord(
  record: Membership,
  entries: readonly CopyEntry[],
  mayJoin: boolean,
): Membership | undefined {
  const staysInSync = entries.some((entry) => entry.record.state === 'in-sync' && !entry.mustLeave);
  let isChanged = false;
  let isSetChanged = false;
  const copies: Record<string, Copy> = { ...record.copies };
  for (const entry of entries) {
    const next = nextCopy(entry, { generation: record.generation, staysInSync, mayJoin });
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
    copies,
  };
}

/** The same object when nothing changes. */
function nextCopy(
  entry: CopyEntry,
  context: { generation: number; staysInSync: boolean; mayJoin: boolean },
): Copy {
  const { record, welcome } = entry;
  if (record.state === 'in-sync') {
    // The last in-sync copy is never struck off, whatever happened to it (I12).
    if (entry.mustLeave) {
      if (!context.staysInSync) return record;
      return {
        ...record,
        state: entry.isForeign ? 'lost' : 'stale',
        generation: context.generation,
      };
    }
    if (record.dataId === null && welcome !== undefined)
      return { ...record, dataId: welcome.dataId };
    return record;
  }
  if (entry.joining === 'durable') {
    return { ...record, state: 'in-sync', generation: context.generation + 1 };
  }
  if (welcome === undefined || !context.mayJoin) return record;
  if (record.state === 'syncing' && record.dataId === welcome.dataId) return record;
  return { ...record, state: 'syncing', dataId: welcome.dataId };
}
