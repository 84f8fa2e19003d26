import {
  CONTROLLER_ADMIN_PORT,
  ISCSI_PORT,
  REPLICATION_PORT,
} from '../../replica/common/limits.ts';

/**
 * Where the processes of a volume are reached. An address survives every restart of its process.
 * Each platform has its own plan (ADR 0008, ADR 0023).
 */
export interface AddressPlan {
  /** Where initiators log in. */
  portal(volume: VolumePlace): Endpoint;
  /** The pages of the volume's controller. */
  controllerAdmin(volume: VolumePlace): Endpoint;
  replica(volume: VolumePlace, copy: CopyPlace): Endpoint;
}

/** What tells the addresses of a volume. */
export interface VolumePlace {
  readonly id: string;
  readonly slot: number;
}

/** What tells those of one of its copies. */
export interface CopyPlace {
  readonly replicaId: string;
  readonly node: string;
}

/** A plan in which addresses follow from the volume's slot and the node alone. */
export interface SlotPlan extends AddressPlan {
  portal(volume: Pick<VolumePlace, 'slot'>): Endpoint;
  controllerAdmin(volume: Pick<VolumePlace, 'slot'>): Endpoint;
  replica(volume: Pick<VolumePlace, 'slot'>, copy: Pick<CopyPlace, 'node'>): Endpoint;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A plan in which every process has an address of its own, so that the ports stay the real ones. */
export function planByHost(hosts: {
  readonly controller: (slot: number) => string;
  readonly replica: (slot: number, node: string) => string;
}): SlotPlan {
  return {
    portal: ({ slot }) => ({ host: hosts.controller(slot), port: ISCSI_PORT }),
    controllerAdmin: ({ slot }) => ({ host: hosts.controller(slot), port: CONTROLLER_ADMIN_PORT }),
    replica: ({ slot }, { node }) => ({ host: hosts.replica(slot, node), port: REPLICATION_PORT }),
  };
}

/** `127.0.1.1:3260`. */
export function showEndpoint({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
