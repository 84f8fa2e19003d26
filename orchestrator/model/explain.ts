import type { Copy, Membership } from '../../controller/protocol/membership.ts';

/** What a change of the membership record means, in plain words; empty when nobody needs to know. */
export function explainChange(before: Membership, after: Membership): string[] {
  const messages: string[] = [];
  if (after.epoch !== before.epoch) {
    const verb = before.epoch === 0 ? 'started' : 'restarted';
    messages.push(`controller ${verb} (epoch ${after.epoch})`);
  }
  for (const [replicaId, copy] of Object.entries(after.copies)) {
    const previous = before.copies[replicaId];
    const message = explainCopy(replicaId, previous, copy);
    if (message === undefined) continue;
    messages.push(changesHealth(previous, copy) ? `${message}, ${describeHealth(after)}` : message);
  }
  for (const [replicaId, copy] of Object.entries(before.copies)) {
    if (after.copies[replicaId] !== undefined) continue;
    messages.push(`copy ${replicaId} on ${copy.node} removed, ${describeHealth(after)}`);
  }
  return messages;
}

/** `healthy (3 of 3 copies in sync)`. */
export function describeHealth(membership: Membership): string {
  const copies = Object.values(membership.copies);
  const inSyncCount = copies.filter((copy) => copy.state === 'in-sync').length;
  const health = inSyncCount === copies.length ? 'healthy' : 'degraded';
  return `${health} (${inSyncCount} of ${copies.length} copies in sync)`;
}

function explainCopy(replicaId: string, before: Copy | undefined, after: Copy): string | undefined {
  const copy = `copy ${replicaId} on ${after.node}`;
  if (before === undefined) return `${copy} added (${after.state})`;
  if (before.state === after.state) return undefined;
  switch (after.state) {
    case 'in-sync':
      return `${copy} is in sync again`;
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
