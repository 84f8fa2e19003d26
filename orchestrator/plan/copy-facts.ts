import { addressOf, replicaNumberOf, type VolumeRecord } from '../model/volume.ts';
import type { Observed } from './observed.ts';
import { replicaKey } from './processes.ts';

/** One copy of a volume, as far as keeping or replacing it is concerned. */
export interface CopyFacts {
  readonly replicaId: string;
  readonly isInSync: boolean;
  /** Set while it cannot serve: its node is down, or its process does not stay up. */
  readonly away: { readonly sinceMs: number } | undefined;
  /** Its node is to be emptied: another copy takes its place, and it goes when that one is in-sync. */
  readonly isUnwanted: boolean;
  /** Why it is away, in plain words. */
  readonly note: string | undefined;
  /** What its sync is known to have to move still; undefined when nobody knows. */
  readonly differenceBytes: number | undefined;
}

/** The copies of a volume in the order in which they were added, with all that is known of each. */
export function describeCopies(desired: VolumeRecord, observed: Observed): CopyFacts[] {
  const address = addressOf(desired.spec);
  const copies = Object.entries(desired.membership.copies).toSorted(
    ([a], [b]) => replicaNumberOf(a) - replicaNumberOf(b),
  );
  return copies.map(([replicaId, { node, state }]) => {
    const place = observed.nodes.find(({ name }) => name === node);
    const down = place?.down;
    const process = observed.processes.find(({ key }) => key === replicaKey(address, replicaId));
    const failingSinceMs = process?.failingSinceMs;
    const sync = observed.copies?.find((copy) => copy.replicaId === replicaId)?.sync;
    return {
      replicaId,
      isInSync: state === 'in-sync',
      isUnwanted: place?.isDraining ?? false,
      away: down ?? (failingSinceMs === undefined ? undefined : { sinceMs: failingSinceMs }),
      note: down && `copy ${replicaId} waits for ${node}, which is down: ${down.reason}`,
      differenceBytes: sync?.differenceBytes,
    };
  });
}
