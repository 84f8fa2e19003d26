import { addressOf, replicaNumberOf, type VolumeRecord } from '../model/volume.ts';
import type { Observed } from './observed.ts';
import { replicaKey } from './processes.ts';

/** One copy of a volume, as far as keeping or replacing it is concerned. */
export interface CopyFacts {
  readonly replicaId: string;
  /** Copies are numbered in the order in which they were added. */
  readonly number: number;
  readonly isInSync: boolean;
  /** Set while it cannot serve: its node is down, or its process does not stay up. */
  readonly away: { readonly sinceMs: number } | undefined;
  /** Why it is away, in plain words. */
  readonly note: string | undefined;
  /** What its sync still has to move; undefined when nobody knows. */
  readonly differenceBytes: number | undefined;
}

/** The copies of a volume, with all that is known of each. */
export function describeCopies(desired: VolumeRecord, observed: Observed): CopyFacts[] {
  const address = addressOf(desired.spec);
  return Object.entries(desired.membership.copies).map(([replicaId, { node, state }]) => {
    const down = observed.nodes.find(({ name }) => name === node)?.down;
    const process = observed.processes.find(({ key }) => key === replicaKey(address, replicaId));
    const failingSinceMs = process?.failingSinceMs;
    const live = observed.copies?.find((copy) => copy.replicaId === replicaId);
    const sync = live?.isConnected === true ? live.sync : undefined;
    return {
      replicaId,
      number: replicaNumberOf(replicaId),
      isInSync: state === 'in-sync',
      away: down ?? (failingSinceMs === undefined ? undefined : { sinceMs: failingSinceMs }),
      note: down && `copy ${replicaId} waits for ${node}, which is down: ${down.reason}`,
      differenceBytes: sync && sync.totalBytes - sync.doneBytes,
    };
  });
}
