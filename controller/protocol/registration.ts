import {
  BLOCK_BYTES,
  MAX_COPIES,
  MAX_REPLICAS,
  MAX_VOLUME_BYTES,
} from '../../replica/common/limits.ts';
import {
  readBoolean,
  readInteger,
  readObject,
  readOneOf,
  readString,
  readStrings,
} from '../../replica/common/validate.ts';
import { type ChapCredentials, decodeChapOrNull } from './chap-credentials.ts';
import { decodeMembership, type Membership } from './membership.ts';

/**
 * What the orchestrator tells a controller of its volume.
 *
 *   GET /v1/registry/NAMESPACE/NAME             → 200 Registration
 *   GET /v1/registry/NAMESPACE/NAME?after=N     → 200 Registration, as soon as its revision is above N,
 *                                                 or as it is after REGISTRATION_POLL_MS
 *   PUT /v1/registry/NAMESPACE/NAME/membership  Membership, whose `version` is the current one + 1
 *                                               → 200 Membership as stored
 *                                               → 409 { error: { code, message }, membership: current }
 *
 * The PUT is the compare-and-swap of design section 3; it is durable before it is answered. A lost
 * answer is resolved by reading, never by guessing (I1).
 */
export interface Registration {
  /** Rises with every change of what is below, also over restarts of the orchestrator. */
  readonly revision: number;
  readonly volume: VolumeSpec;
  readonly membership: Membership;
  /** Where each replica serves the replication protocol, by replica id. */
  readonly addresses: Readonly<Record<string, ReplicaAddress>>;
  /**
   * Copies that shall go: the controller strikes them off (never the last in-sync one) and leaves
   * them alone; then the orchestrator takes them out of the record.
   */
  readonly leaving: readonly string[];
  /** Controller instances whose process is known to have ended: nobody waits for their leases (I7). */
  readonly goneInstances: readonly string[];
  /**
   * What initiators must prove; null: nothing. It is told here and nowhere else, because whoever may
   * read a registration has shown the volume's secret, and controllers must learn of a change.
   */
  readonly chap: ChapCredentials | null;
}

/** How long a GET with `after` is held open at most. */
export const REGISTRATION_POLL_MS = 55_000;

const MAX_GONE_INSTANCES = 64;

export interface VolumeSpec {
  /** Random, made when the volume was created: a new volume of the same name is another volume. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** Copies besides the first, 0–5. */
  readonly replicas: number;
  readonly failureMode: FailureMode;
  /** Copies that may be missing in soft mode, 0–4. */
  readonly failureTolerance: number;
  /** iSCSI names, folded (initiator-name.ts), that may log in; empty: all. */
  readonly initiators: readonly string[];
  /** SANITIZE, which overwrites everything for good, is carried out. */
  readonly allowsSanitize: boolean;
}

export const MAX_INITIATORS = 128;

export const FAILURE_MODES = ['soft', 'hard', 'alwayson'] as const;
export type FailureMode = (typeof FAILURE_MODES)[number];

export interface ReplicaAddress {
  readonly host: string;
  readonly port: number;
}

export function registrationPath(namespace: string, name: string): string {
  return `/v1/registry/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

export function decodeRegistration(value: unknown): Registration {
  const fields = readObject(value, 'registration');
  return {
    revision: readInteger(fields, 'revision', { min: 0, max: Number.MAX_SAFE_INTEGER }),
    volume: decodeVolumeSpec(fields.volume),
    membership: decodeMembership(fields.membership),
    addresses: Object.fromEntries(
      Object.entries(readObject(fields.addresses, 'addresses')).map(([replicaId, address]) => [
        replicaId,
        decodeAddress(address),
      ]),
    ),
    leaving: readStrings(fields, 'leaving', MAX_COPIES * 2),
    goneInstances: readStrings(fields, 'goneInstances', MAX_GONE_INSTANCES),
    chap: decodeChapOrNull(fields.chap),
  };
}

export function decodeVolumeSpec(value: unknown): VolumeSpec {
  const fields = readObject(value, 'volume');
  return {
    id: readString(fields, 'id'),
    namespace: readString(fields, 'namespace'),
    name: readString(fields, 'name'),
    sizeBytes: readInteger(fields, 'sizeBytes', { min: BLOCK_BYTES, max: MAX_VOLUME_BYTES }),
    replicas: readInteger(fields, 'replicas', { min: 0, max: MAX_REPLICAS }),
    failureMode: readOneOf(fields, 'failureMode', FAILURE_MODES),
    failureTolerance: readInteger(fields, 'failureTolerance', { min: 0, max: MAX_REPLICAS - 1 }),
    initiators: readStrings(fields, 'initiators', MAX_INITIATORS),
    allowsSanitize: readBoolean(fields, 'allowsSanitize'),
  };
}

function decodeAddress(value: unknown): ReplicaAddress {
  const fields = readObject(value, 'address');
  return {
    host: readString(fields, 'host'),
    port: readInteger(fields, 'port', { min: 1, max: 65535 }),
  };
}
