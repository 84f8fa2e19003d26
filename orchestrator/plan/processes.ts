import type { VolumeSpec } from '../../controller/protocol/registration.ts';
import { addressOf, type VolumeRecord } from '../model/volume.ts';

/** One process that a volume needs. The platform knows how to run it. */
export type ProcessSpec = ControllerProcess | ReplicaProcess;

interface ProcessBase {
  /** Unique in the installation, readable: `default/demo controller`, `default/demo r1`. */
  readonly key: string;
  readonly volume: VolumeSpec;
  readonly secret: string;
  /** Chooses its addresses; see address-plan.ts. */
  readonly slot: number;
}

export interface ControllerProcess extends ProcessBase {
  readonly role: 'controller';
  /** Those of its copies, in-sync ones first: the nearest places to run it. */
  readonly nodes: readonly string[];
  /** `host:port` where initiators found it last; null before the first start. */
  readonly lastPortal: string | null;
}

export interface ReplicaProcess extends ProcessBase {
  readonly role: 'replica';
  readonly replicaId: string;
  /** It never runs anywhere else (I9, S52). */
  readonly node: string;
}

export function controllerKey(volume: string): string {
  return `${volume} controller`;
}

export function replicaKey(volume: string, replicaId: string): string {
  return `${volume} ${replicaId}`;
}

/**
 * The processes of a volume: a replica for each copy in the record, whatever its state, because
 * only a running replica can become in-sync again; and the controller, last, because it waits for
 * them by itself.
 */
export function processesOf(record: VolumeRecord): ProcessSpec[] {
  const { spec: volume, secret, slot } = record;
  const address = addressOf(volume);
  const replicas = Object.entries(record.membership.copies).map(
    ([replicaId, { node }]): ReplicaProcess => ({
      role: 'replica',
      key: replicaKey(address, replicaId),
      volume,
      secret,
      slot,
      replicaId,
      node,
    }),
  );
  const controller: ControllerProcess = {
    role: 'controller',
    nodes: nodesByState(record),
    lastPortal: record.membership.controller?.address ?? null,
    key: controllerKey(address),
    volume,
    secret,
    slot,
  };
  return [...replicas, controller];
}

/** The processes of all these volumes, by key. */
export function processesByKey(records: readonly VolumeRecord[]): ReadonlyMap<string, ProcessSpec> {
  const processes = records.flatMap(processesOf);
  return new Map(processes.map((process) => [process.key, process]));
}

function nodesByState({ membership }: VolumeRecord): string[] {
  const copies = Object.values(membership.copies);
  const inSync = copies.filter(({ state }) => state === 'in-sync');
  const others = copies.filter(({ state }) => state !== 'in-sync');
  return [...inSync, ...others].map(({ node }) => node);
}

/** `controller`, or `replica r1 on node1`. */
export function describeProcess(process: ProcessSpec): string {
  if (process.role === 'controller') return 'controller';
  return `replica ${process.replicaId} on ${process.node}`;
}
