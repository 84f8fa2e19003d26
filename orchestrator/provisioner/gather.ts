import type { KubeObject, ObjectName } from '../kubernetes/objects.ts';
import {
  CLAIMS,
  PERSISTENT_VOLUMES,
  type Resource,
  STORAGE_CLASSES,
  VOLUMES,
} from '../kubernetes/resources.ts';
import type { VolumeName } from '../model/volume.ts';
import type { Facts } from './core/facts.ts';
import { annotationOf, CLAIM, claimUidOf } from './core/names.ts';

/** From the informers, or from the server by quorum. */
export type Read = <T extends KubeObject>(
  resource: Resource<T>,
  name: ObjectName,
) => Promise<T | undefined>;

export interface Sought {
  readonly provisionerName: string;
  /** Of the Volume. */
  readonly address: VolumeName;
  /** The claim that it is named after, if it is there as far as we know. */
  readonly claimName: ObjectName | undefined;
}

/** What there is of a claim, its Volume and its PersistentVolume. */
export async function gather(read: Read, sought: Sought): Promise<Facts> {
  const { address, provisionerName } = sought;
  const [volume, persistentVolume] = await Promise.all([
    read(VOLUMES, address),
    read(PERSISTENT_VOLUMES, { name: address.name }),
  ]);
  const { claimRef } = persistentVolume?.spec ?? {};
  const uid = persistentVolume === undefined ? claimUidOf(address) : claimRef?.uid;
  const names = [claimRef, sought.claimName, { ...address, name: volume && claimNameIn(volume) }];
  const name = names.find((known) => known?.name !== undefined);
  const found =
    name?.name === undefined
      ? undefined
      : await read(CLAIMS, { namespace: name.namespace, name: name.name });
  // Of that name there may be another claim by now.
  const claim = found !== undefined && found.metadata.uid === uid ? found : undefined;
  const className = claim?.spec?.storageClassName;
  const storageClass =
    className === undefined ? undefined : await read(STORAGE_CLASSES, { name: className });
  return { provisionerName, address, claim, storageClass, volume, persistentVolume };
}

function claimNameIn(volume: KubeObject): string | undefined {
  return annotationOf(volume, CLAIM);
}
