import { KeelsonError } from '../../replica/common/errors.ts';
import type { VolumeRecord } from '../model/volume.ts';
import { type NodeLoad, whyNoNewCopies } from '../plan/placement.ts';
import type { State } from './state.ts';

/** What the registry reads from a state, and between two. */

/** A record before and after a change; the same twice when there was nothing to change. */
export interface RecordChange {
  readonly before: VolumeRecord;
  readonly after: VolumeRecord;
}

/** The nodes that cannot take anything at the moment, as the platform sees them. */
export type DownNodes = ReadonlySet<string>;

/** Addresses of volumes that were created, changed or removed. */
export function changedVolumes(before: State, after: State): string[] {
  const addresses = new Set([...before.volumes.keys(), ...after.volumes.keys()]);
  return [...addresses].filter(
    (address) => before.volumes.get(address) !== after.volumes.get(address),
  );
}

/** Records of volumes that were there before and are after. */
export function changesBetween(before: State, after: State): RecordChange[] {
  return changedVolumes(before, after).flatMap((address) => {
    const [was, is] = [before.volumes.get(address), after.volumes.get(address)];
    return was === undefined || is === undefined ? [] : { before: was, after: is };
  });
}

/** Of all volumes, by the name of the node. */
export function copyCountsOf(state: State): Map<string, number> {
  const counts = new Map(state.nodes.map(({ name }) => [name, 0]));
  for (const { membership } of state.volumes.values()) {
    for (const { node } of Object.values(membership.copies)) {
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
  }
  return counts;
}

export function loadsOf(state: State, downNodes: DownNodes): NodeLoad[] {
  const counts = copyCountsOf(state);
  return state.nodes.map(({ name, isCordoned }) => ({
    name,
    copyCount: counts.get(name) ?? 0,
    refusal: whyNoNewCopies({ isCordoned, isDown: downNodes.has(name) }),
  }));
}

/** Errors: NOT_FOUND. */
export function recordIn(state: State, address: string): VolumeRecord {
  const record = state.volumes.get(address);
  if (record === undefined) throw notFound(address);
  return record;
}

export function notFound(address: string): KeelsonError {
  return new KeelsonError('NOT_FOUND', `volume ${address} does not exist`);
}
