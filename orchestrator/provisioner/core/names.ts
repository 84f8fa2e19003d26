import type {
  Claim,
  KubeObject,
  PersistentVolume,
  VolumeObject,
} from '../../kubernetes/objects.ts';
import type { VolumeName } from '../../model/volume.ts';
import { LABELS } from '../../platforms/kubernetes/names.ts';

/** Whose claim it is: Kubernetes writes the new one, older clusters the other alone. */
const PROVISIONER_ANNOTATIONS = [
  'volume.kubernetes.io/storage-provisioner',
  'volume.beta.kubernetes.io/storage-provisioner',
] as const;

/** The scheduler's choice for the first pod that uses the claim. */
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';

/** On PersistentVolumes: who deletes what is behind it. */
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';

/**
 * On Volumes that were made for a claim: its name and its uid. No labels: those of our family decide
 * something about a volume, and the name of a claim may be longer than a label.
 */
export const CLAIM = 'keelson.io/claim';
export const CLAIM_UID = 'keelson.io/claim-uid';

/**
 * On a Volume: it has, or had, this PersistentVolume. From then on its data may be somebody's, and
 * the end of its claim alone does not delete it any more.
 */
export const PERSISTENT_VOLUME = 'keelson.io/persistent-volume';

/** On a claim: the owner says that he has grown the file system to this size. */
export const FILE_SYSTEM_SIZE = 'keelson.io/file-system-size';

/**
 * Keeps a PersistentVolume that is deleted until its Volume was dealt with as its policy says, and a
 * Volume for as long as there is a PersistentVolume: else whoever deletes a namespace would delete
 * what is to be retained (operator/removal.ts).
 */
export const HOLD = 'keelson.io/persistent-volume';

const PREFIX = 'pvc-';

/** What a claim becomes: the Volume has this name in its namespace, the PersistentVolume as well. */
export function volumeNameOf({ metadata: { namespace = '', uid = '' } }: Claim): VolumeName {
  return { namespace, name: `${PREFIX}${uid}` };
}

/** The other way round. */
export function claimUidOf({ name }: VolumeName): string {
  return name.slice(PREFIX.length);
}

export function isClaimOf(claim: Claim, provisionerName: string): boolean {
  return PROVISIONER_ANNOTATIONS.some(
    (annotation) => annotationOf(claim, annotation) === provisionerName,
  );
}

/** Whether the Volume was made for the claim that its name says. */
export function isMadeForClaim(volume: VolumeObject): boolean {
  const uid = annotationOf(volume, CLAIM_UID);
  return uid !== undefined && volume.metadata.name === `${PREFIX}${uid}`;
}

/** The Volume behind a PersistentVolume; undefined when we did not make it. */
export function volumeBehind(
  pv: PersistentVolume,
  provisionerName: string,
): VolumeName | undefined {
  const { name, labels } = pv.metadata;
  const namespace = labels?.[LABELS.volumeNamespace];
  const isOurs =
    annotationOf(pv, PROVISIONED_BY) === provisionerName && labels?.[LABELS.volume] === name;
  return isOurs && namespace !== undefined ? { namespace, name } : undefined;
}

export function isHeld({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(HOLD) ?? false;
}

export function annotationOf({ metadata }: KubeObject, name: string): string | undefined {
  return metadata.annotations?.[name];
}
