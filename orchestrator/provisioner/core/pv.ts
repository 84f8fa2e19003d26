import { targetNameOf } from '../../../controller/protocol/target-name.ts';
import type {
  Claim,
  IscsiSource,
  PersistentVolume,
  StorageClass,
  VolumeObject,
} from '../../kubernetes/objects.ts';
import { CLAIMS, PERSISTENT_VOLUMES } from '../../kubernetes/resources.ts';
import { formatQuantity } from '../../model/size.ts';
import { volumeLabels } from '../../platforms/kubernetes/names.ts';
import { parametersOf } from './make-volume.ts';
import { HOLD, PROVISIONED_BY, volumeNameOf } from './names.ts';

export interface PvParts {
  readonly claim: Claim;
  readonly storageClass: StorageClass;
  readonly volume: VolumeObject;
  /** Of the volume. */
  readonly id: string;
  /** `address:port`, which stays for as long as the volume. */
  readonly portal: string;
  /** As its initiators see it. */
  readonly servedBytes: number;
  readonly provisionerName: string;
}

/** The only one of a target. */
const LUN = 0;

/**
 * What nodes mount a volume by. Bound to its claim beforehand, so that no other claim gets it.
 *
 * Source: PersistentVolumeSpec and ISCSIPersistentVolumeSource of core/v1.
 */
export function makePersistentVolume(parts: PvParts): PersistentVolume {
  const { claim, storageClass, id, servedBytes, provisionerName } = parts;
  const address = volumeNameOf(claim);
  const { mountOptions = [] } = storageClass;
  return {
    apiVersion: PERSISTENT_VOLUMES.apiVersion,
    kind: PERSISTENT_VOLUMES.kind,
    metadata: {
      name: address.name,
      labels: volumeLabels({ ...address, id }),
      annotations: { [PROVISIONED_BY]: provisionerName },
      finalizers: [HOLD],
    },
    spec: {
      capacity: { storage: formatQuantity(servedBytes) },
      accessModes: ['ReadWriteOnce'],
      volumeMode: claim.spec?.volumeMode ?? 'Filesystem',
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      ...(mountOptions.length === 0 ? {} : { mountOptions }),
      claimRef: {
        apiVersion: CLAIMS.apiVersion,
        kind: CLAIMS.kind,
        namespace: address.namespace,
        name: claim.metadata.name,
        uid: claim.metadata.uid ?? '',
      },
      iscsi: makeSource(parts),
    },
  };
}

function makeSource({ claim, storageClass, volume, portal }: PvParts): IscsiSource {
  const address = volumeNameOf(claim);
  const isBlock = claim.spec?.volumeMode === 'Block';
  const secretName = (volume.spec?.chapSecretRef as { name?: string } | undefined)?.name;
  return {
    targetPortal: portal,
    iqn: targetNameOf(address),
    lun: LUN,
    readOnly: false,
    ...(isBlock ? {} : { fsType: parametersOf(storageClass).fsType }),
    // Discovery, which kubelets begin with, asks for the same proof as a login (iscsi/access.ts).
    ...(secretName === undefined
      ? {}
      : {
          chapAuthDiscovery: true,
          chapAuthSession: true,
          secretRef: { name: secretName, namespace: address.namespace },
        }),
  };
}
