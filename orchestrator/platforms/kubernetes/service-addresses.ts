import {
  CONTROLLER_ADMIN_PORT,
  ISCSI_PORT,
  REPLICATION_PORT,
} from '../../../replica/common/limits.ts';
import type { Service } from '../../kubernetes/objects.ts';
import type { AddressPlan, CopyPlace, Endpoint, VolumePlace } from '../../model/address-plan.ts';
import { controllerName, LABELS, type NamedVolume, readOwner, replicaName } from './names.ts';

/** Of a volume of which nothing is known: a name that nobody ever resolves (RFC 6761). */
const NOWHERE = 'unknown.invalid';

/**
 * Every process has the address of its Service, for as long as that exists. The data path depends on no
 * name; but a copy that was just added has no Service yet, and its name is all that can be told of it.
 */
export class ServiceAddresses implements AddressPlan {
  readonly #namespace: string;
  /** By the name of the Service. */
  readonly #addresses = new Map<string, string>();
  /** By volume id. */
  readonly #volumes = new Map<string, NamedVolume>();

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** A Service is there, or has changed. */
  note({ metadata, spec }: Service): void {
    const owner = readOwner(metadata.labels);
    if (owner === undefined) return;
    const { [LABELS.volume]: name = '', [LABELS.volumeNamespace]: namespace = '' } =
      metadata.labels ?? {};
    this.#volumes.set(owner.volumeId, { id: owner.volumeId, namespace, name });
    const address = spec?.clusterIP;
    if (address !== undefined && /^[\da-f.:]+$/.test(address)) {
      this.#addresses.set(metadata.name, address);
    }
  }

  noteGone({ metadata }: Service): void {
    const owner = readOwner(metadata.labels);
    this.#addresses.delete(metadata.name);
    if (owner?.role === 'controller') this.#volumes.delete(owner.volumeId);
  }

  portal({ id }: VolumePlace): Endpoint {
    return { host: this.#hostOf(id, controllerName), port: ISCSI_PORT };
  }

  controllerAdmin({ id }: VolumePlace): Endpoint {
    return { host: this.#hostOf(id, controllerName), port: CONTROLLER_ADMIN_PORT };
  }

  replica({ id }: VolumePlace, { replicaId }: CopyPlace): Endpoint {
    const host = this.#hostOf(id, (volume) => replicaName(volume, replicaId));
    return { host, port: REPLICATION_PORT };
  }

  #hostOf(id: string, nameOf: (volume: NamedVolume) => string): string {
    const volume = this.#volumes.get(id);
    if (volume === undefined) return NOWHERE;
    const name = nameOf(volume);
    return this.#addresses.get(name) ?? `${name}.${this.#namespace}.svc`;
  }
}
