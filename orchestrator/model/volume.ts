import {
  type ChapCredentials,
  chapModeOf,
  decodeChapOrNull,
} from '../../controller/protocol/chap-credentials.ts';
import type { Membership } from '../../controller/protocol/membership.ts';
import type { VolumeSpec } from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { type Fields, readObject, readString } from '../../replica/common/validate.ts';
import type { VolumePlace } from './address-plan.ts';
import {
  decodeLabels,
  decodePolicyLabels,
  type Labels,
  type Policy,
  plainLabels,
  readPolicyLabels,
} from './labels.ts';
import type { Origins } from './policy.ts';
import { DEFAULT_VOLUME_BYTES, formatSize, parseSize } from './size.ts';

/** Everything the orchestrator must remember of a volume. */
export interface VolumeRecord {
  readonly spec: VolumeSpec;
  /** As they were given: what they decide goes before everything else (policy.ts). */
  readonly labels: Labels;
  /** Of the driver or the class that made it: what they decide counts where nothing else does. */
  readonly defaults: Labels;
  /** Why the policy in `spec` is what it is. */
  readonly origins: Origins;
  /** Chooses the loopback addresses in embedded mode; see layout.ts. */
  readonly slot: number;
  /** 32 random bytes as hex: what controller, replicas and registry trust each other by. */
  readonly secret: string;
  /** What initiators must prove at a login; null: nothing. As secret as `secret`. */
  readonly chap: ChapCredentials | null;
  /** Set before anything is stopped, so that a deletion survives a restart and is finished then. */
  readonly isDeleting: boolean;
  readonly membership: Membership;
  /**
   * Replicas that the failure mode counts on: what was asked for, once that many were in sync. A
   * volume that gets more replicas stays in use while they are made (S37).
   */
  readonly establishedReplicas: number;
  /** Counts the changes of this record; a controller waits for the next one (registration.ts). */
  readonly revision: number;
  /** Of the next copy's replica id: none is ever used again (ADR 0014). */
  readonly nextReplicaNumber: number;
  /** In-sync copies that shall go: the controller strikes them off first (registration.ts). */
  readonly leaving: readonly string[];
  /** Copies that are out of the membership, with a directory that is still to be erased. */
  readonly removed: readonly RemovedCopy[];
  /** Controller instances whose process has ended, newest last (registration.ts). */
  readonly goneInstances: readonly string[];
}

export interface RemovedCopy {
  readonly replicaId: string;
  readonly node: string;
}

/** What a user asks for. */
export interface VolumeRequest {
  readonly namespace: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly labels: Labels;
  readonly defaults: Labels;
  readonly chap: ChapCredentials | null;
  /** Gets the first copy, if it takes copies. */
  readonly preferredNode?: string;
}

export interface VolumeName {
  readonly namespace: string;
  readonly name: string;
}

export const DEFAULT_NAMESPACE = 'default';

/** A name of a namespace, a volume or a rule: it is part of paths, target names and host names. */
export const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Of a node: a host name (RFC 1123). */
const MAX_NODE_NAME_CHARS = 253;

export function replicaIdOf(replicaNumber: number): string {
  return `r${replicaNumber}`;
}

/** Copies are numbered in the order in which they were added. */
export function replicaNumberOf(replicaId: string): number {
  return Number(replicaId.slice(1));
}

/** `namespace/name`, the way a volume is addressed everywhere. */
export function addressOf(volume: VolumeName): string {
  return `${volume.namespace}/${volume.name}`;
}

/** What tells the addresses of its processes. */
export function placeOf({ spec, slot }: Pick<VolumeRecord, 'spec' | 'slot'>): VolumePlace {
  return { id: spec.id, slot };
}

/** Takes notice of replicas that have come to be in sync, or are not asked for any more. */
export function withEstablished(record: VolumeRecord): VolumeRecord {
  const copies = Object.values(record.membership.copies);
  const inSyncCount = copies.filter(({ state }) => state === 'in-sync').length;
  const reached = Math.max(record.establishedReplicas, inSyncCount - 1);
  return { ...record, establishedReplicas: Math.min(record.spec.replicas, reached) };
}

/** Reads `NAME` or `NAMESPACE/NAME`. Errors: INVALID_ARGUMENT. */
export function parseVolumeName(text: string, defaultNamespace = DEFAULT_NAMESPACE): VolumeName {
  const parts = text.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2) {
    throw new KeelsonError('INVALID_ARGUMENT', `volume ${text}: expected NAME or NAMESPACE/NAME`);
  }
  const volume =
    second === undefined
      ? { namespace: defaultNamespace, name: first }
      : { namespace: first, name: second };
  checkDnsLabel('namespace', volume.namespace);
  checkDnsLabel('name', volume.name);
  return volume;
}

/** Reads the body of a creation. Errors: INVALID_ARGUMENT, naming the field or the label. */
export function decodeVolumeRequest(value: unknown): VolumeRequest {
  const fields = readObject(value, 'volume');
  refuseUnknownFields(fields, [
    ...['namespace', 'name', 'size', 'labels', 'defaults', 'chap', 'preferredNode'],
  ]);
  const namespace =
    fields.namespace === undefined ? DEFAULT_NAMESPACE : readString(fields, 'namespace');
  const name = readString(fields, 'name');
  checkDnsLabel('namespace', namespace);
  checkDnsLabel('name', name);
  const { labels: given = {}, defaults = {} } = fields;
  const labels = decodeLabels(given);
  readPolicyLabels(labels);
  return {
    namespace,
    name,
    sizeBytes:
      fields.size === undefined ? DEFAULT_VOLUME_BYTES : parseSize(readString(fields, 'size', 32)),
    labels,
    defaults: inField('defaults', () => decodePolicyLabels(defaults)),
    chap: inField('chap', () => decodeChapOrNull(fields.chap ?? null)),
    ...(fields.preferredNode === undefined
      ? {}
      : { preferredNode: readString(fields, 'preferredNode', MAX_NODE_NAME_CHARS) }),
  };
}

/** Lets an error of `read` say which field it is about. */
export function inField<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    throw new KeelsonError(error.code, `${field}: ${error.message}`, { cause: error });
  }
}

export function refuseUnknownFields(fields: Fields, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((field) => !known.includes(field));
  if (unknown === undefined) return;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `field ${JSON.stringify(unknown.slice(0, 80))}: not known; expected ${known.join(', ')}`,
  );
}

/**
 * How an existing volume differs from what was asked for, in words; undefined when it does not.
 *
 * @param policy what the request would make, with the rules that there are
 */
export function whyDifferent(
  existing: VolumeRecord,
  request: VolumeRequest,
  policy: Policy,
): string | undefined {
  const { spec } = existing;
  const facts: [string, string | number, string | number][] = [
    ['size', showSize(spec.sizeBytes), showSize(request.sizeBytes)],
    ['replicas', spec.replicas, policy.replicas],
    ['failure mode', spec.failureMode, policy.failureMode],
    ['failure tolerance', spec.failureTolerance, policy.failureTolerance],
    ['initiators', showInitiators(spec.initiators), showInitiators(policy.initiators)],
    ['SANITIZE', showSanitize(spec), showSanitize(policy)],
    ['labels', showLabels(existing.labels), showLabels(request.labels)],
  ];
  const differences = facts
    .filter(([, has, asked]) => has !== asked)
    .map(([what, has, asked]) => `${what} is ${has}, asked for ${asked}`);
  if (!isSameChap(existing.chap, request.chap)) {
    const [has, asked] = [chapModeOf(existing.chap), chapModeOf(request.chap)];
    differences.push(
      has === asked ? 'it has other CHAP credentials' : `CHAP is ${has}, asked for ${asked}`,
    );
  }
  return differences.length === 0 ? undefined : differences.join('; ');
}

/** Compares what no answer may show. */
export function isSameChap(a: ChapCredentials | null, b: ChapCredentials | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export function showInitiators(initiators: readonly string[]): string {
  return initiators.length === 0 ? 'all' : initiators.join(' ');
}

export function showSanitize({ allowsSanitize }: Pick<Policy, 'allowsSanitize'>): string {
  return allowsSanitize ? 'allowed' : 'refused';
}

function showSize(sizeBytes: number): string {
  return `${formatSize(sizeBytes)} (${sizeBytes} bytes)`;
}

/** The labels that decide nothing, as `env=prod tier=db`. */
export function showLabels(labels: Labels): string {
  const plain = Object.entries(plainLabels(labels)).map(([label, value]) => `${label}=${value}`);
  return plain.length === 0 ? 'none' : plain.sort().join(' ');
}

/** Errors: INVALID_ARGUMENT. */
export function checkDnsLabel(what: string, value: string): void {
  if (DNS_LABEL.test(value)) return;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `${what} ${JSON.stringify(value.slice(0, 80))}: expected 1 to 63 of a-z, 0-9 and -, ` +
      'not starting or ending with -',
  );
}
