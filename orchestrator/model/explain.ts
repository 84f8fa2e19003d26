import type { Copy, Membership } from '../../controller/protocol/membership.ts';

/** What the words depend on, besides the membership record. */
export interface Intent {
  /** How many copies the volume shall have. */
  readonly wanted: number;
  readonly leaving: readonly string[];
}

/** What a change of the membership record means, in plain words; empty when nobody needs to know. */
export function explainChange(
  before: Membership,
  after: Membership,
  { wanted, leaving }: Intent,
): string[] {
  const messages: string[] = [];
  if (after.epoch !== before.epoch) {
    const verb = before.epoch === 0 ? 'started' : 'restarted';
    messages.push(`controller ${verb} (epoch ${after.epoch})`);
  }
  for (const [replicaId, copy] of Object.entries(after.copies)) {
    const previous = before.copies[replicaId];
    const isExpected = leaving.includes(replicaId) && copy.state === 'stale';
    const message = isExpected
      ? `copy ${replicaId} on ${copy.node} has left`
      : explainCopy(replicaId, previous, copy);
    if (message === undefined) continue;
    messages.push(
      changesHealth(previous, copy) ? `${message}, ${describeHealth(after, wanted)}` : message,
    );
  }
  for (const [replicaId, copy] of Object.entries(before.copies)) {
    if (after.copies[replicaId] !== undefined) continue;
    messages.push(`copy ${replicaId} on ${copy.node} removed, ${describeHealth(after, wanted)}`);
  }
  return messages;
}

/** `healthy (3 of 3 copies in sync)`. */
export function describeHealth(membership: Membership, wanted: number): string {
  const copies = Object.values(membership.copies);
  const inSyncCount = copies.filter((copy) => copy.state === 'in-sync').length;
  const health = inSyncCount >= wanted ? 'healthy' : 'degraded';
  return `${health} (${inSyncCount} of ${wanted} copies in sync)`;
}

function explainCopy(replicaId: string, before: Copy | undefined, after: Copy): string | undefined {
  const copy = `copy ${replicaId} on ${after.node}`;
  if (before === undefined) return `${copy} added (${after.state})`;
  if (before.state === after.state) return undefined;
  switch (after.state) {
    case 'in-sync':
      return before.generation === 0 ? `${copy} is in sync` : `${copy} is in sync again`;
    case 'syncing':
      return `${copy} is syncing`;
    case 'stale':
      return before.state === 'syncing' ? `${copy} stopped syncing` : `${copy} is stale`;
    case 'lost':
      return `${copy} lost`;
  }
}

function changesHealth(before: Copy | undefined, after: Copy): boolean {
  return (before?.state === 'in-sync') !== (after.state === 'in-sync');
}
