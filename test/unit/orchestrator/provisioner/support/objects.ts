import type {
  Claim,
  PersistentVolume,
  StorageClass,
  VolumeObject,
} from '../../../../../orchestrator/kubernetes/objects.ts';
import type { Facts } from '../../../../../orchestrator/provisioner/core/facts.ts';

export const PROVISIONER = 'keelson.io';
export const NAMESPACE = 'team';
export const UID = '0b7c';
export const ADDRESS = { namespace: NAMESPACE, name: `pvc-${UID}` };
export const ID = '5'.repeat(32);
export const PORTAL = '10.0.0.7:3260';
export const GIB = 1024 ** 3;

type Annotations = Readonly<Record<string, string>>;

export function claim(
  spec: Claim['spec'] = {},
  { annotations = {}, ...metadata }: Partial<Claim['metadata']> = {},
): Claim {
  return {
    metadata: {
      ...{ namespace: NAMESPACE, name: 'data', uid: UID, resourceVersion: '7' },
      annotations: {
        'volume.kubernetes.io/storage-provisioner': PROVISIONER,
        ...(annotations as Annotations),
      },
      ...metadata,
    },
    spec: {
      storageClassName: 'fast',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      ...spec,
    },
    status: { phase: 'Pending' },
  };
}

export function boundClaim(storage = '1Gi', status: Claim['status'] = {}): Claim {
  return {
    ...claim({ volumeName: ADDRESS.name, resources: { requests: { storage } } }),
    status: { phase: 'Bound', capacity: { storage: '1Gi' }, ...status },
  };
}

export function storageClass(more: Partial<StorageClass> = {}): StorageClass {
  return {
    metadata: { name: 'fast' },
    provisioner: PROVISIONER,
    parameters: { replicas: '2' },
    allowVolumeExpansion: true,
    ...more,
  };
}

export interface VolumeShape {
  readonly servedBytes?: number;
  readonly size?: string;
  readonly isMarked?: boolean;
  readonly isHeld?: boolean;
  readonly isGoing?: boolean;
  readonly portal?: string;
  readonly refusal?: string;
  readonly inUse?: string;
  readonly id?: string;
}

/** One that was made for the claim and is accepted; without `servedBytes`, one that is not. */
export function volume(shape: VolumeShape = {}): VolumeObject {
  const { servedBytes, size = '1Gi', portal = PORTAL, refusal, inUse, id = ID } = shape;
  const said = [
    ...(refusal === undefined ? [] : [{ type: 'Accepted', status: 'False', message: refusal }]),
    ...(inUse === undefined ? [] : [{ type: 'InUse', status: 'True', message: inUse }]),
  ];
  const record = { spec: { id, sizeBytes: servedBytes }, membership: { sizeBytes: servedBytes } };
  return {
    metadata: {
      ...ADDRESS,
      uid: 'of the volume',
      annotations: {
        'keelson.io/claim': 'data',
        'keelson.io/claim-uid': UID,
        ...(shape.isMarked === true ? { 'keelson.io/persistent-volume': ADDRESS.name } : {}),
      },
      ...(shape.isHeld === true ? { finalizers: ['keelson.io/persistent-volume'] } : {}),
      ...(shape.isGoing === true ? { deletionTimestamp: '2026-11-21T12:00:00Z' } : {}),
    },
    spec: { size, defaults: { 'keelson.io/replicas': '2' } },
    status: { conditions: said, portal, ...(servedBytes === undefined ? {} : { record }) },
  };
}

export function accepted(shape: VolumeShape = {}): VolumeObject {
  return volume({ servedBytes: GIB, ...shape });
}

export interface PvShape {
  readonly phase?: string;
  readonly policy?: 'Delete' | 'Retain';
  readonly isDeleted?: boolean;
  readonly finalizers?: readonly string[];
  readonly capacity?: string;
  readonly volumeMode?: 'Filesystem' | 'Block';
  readonly by?: string;
}

export function persistentVolume(shape: PvShape = {}): PersistentVolume {
  const { phase = 'Bound', policy = 'Delete', capacity = '1Gi', volumeMode = 'Filesystem' } = shape;
  const { finalizers = ['keelson.io/persistent-volume'], by = PROVISIONER } = shape;
  return {
    metadata: {
      ...{ name: ADDRESS.name, uid: 'of the pv', resourceVersion: '9', finalizers },
      annotations: { 'pv.kubernetes.io/provisioned-by': by },
      labels: {
        'keelson.io/volume': ADDRESS.name,
        'keelson.io/volume-namespace': NAMESPACE,
        'keelson.io/volume-id': ID,
      },
      ...(shape.isDeleted === true ? { deletionTimestamp: '2026-11-21T12:00:00Z' } : {}),
    },
    spec: {
      capacity: { storage: capacity },
      persistentVolumeReclaimPolicy: policy,
      volumeMode,
      claimRef: { namespace: NAMESPACE, name: 'data', uid: UID },
    },
    status: { phase },
  };
}

export function facts(seen: Partial<Facts>): Facts {
  return {
    ...{ provisionerName: PROVISIONER, address: ADDRESS, storageClass: storageClass() },
    ...{ claim: undefined, volume: undefined, persistentVolume: undefined },
    ...seen,
  };
}
