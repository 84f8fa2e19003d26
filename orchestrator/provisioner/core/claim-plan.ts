import { KeelsonError } from '../../../replica/common/errors.ts';
import type {
  Claim,
  PersistentVolume,
  StorageClass,
  VolumeObject,
} from '../../kubernetes/objects.ts';
import { addressOf } from '../../model/volume.ts';
import { LABELS } from '../../platforms/kubernetes/names.ts';
import { type Decision, type Facts, NOTHING } from './facts.ts';
import { nextGrowthStep } from './growth-plan.ts';
import { makeVolume } from './make-volume.ts';
import {
  annotationOf,
  isClaimOf,
  isHeld,
  isMadeForClaim,
  PERSISTENT_VOLUME,
  SELECTED_NODE,
  volumeBehind,
} from './names.ts';
import { makePersistentVolume } from './pv.ts';
import { type SeenVolume, seeVolume } from './seen-volume.ts';

/**
 * The next step from a claim to a bound PersistentVolume, and from a deleted claim to nothing. It
 * depends on what is seen alone, so whoever comes after a provisioner that ended anywhere goes on
 * where the world stands.
 */
export function nextStep(facts: Facts): Decision {
  const { persistentVolume: pv, claim, provisionerName } = facts;
  const volume = facts.volume === undefined ? undefined : seeVolume(facts.volume);
  if (pv === undefined) return nextProvisioningStep(facts, volume);
  if (volumeBehind(pv, provisionerName) === undefined) return NOTHING;
  const own = volume !== undefined && isBehind(volume, pv) ? volume : undefined;
  return isOver(pv, claim) ? nextEndStep(pv, own) : nextGrowthStep(facts, pv, own);
}

function nextProvisioningStep(facts: Facts, volume: SeenVolume | undefined): Decision {
  const { claim, storageClass, provisionerName } = facts;
  const boundTo = claim?.spec?.volumeName ?? '';
  const isElsewhere = boundTo !== '' && boundTo !== facts.address.name;
  if (claim === undefined || isElsewhere) return nextUnusedStep(volume);
  // Bound to one that is gone, it is lost: an empty volume in its place would hide that.
  const isWaiting = claim.metadata.deletionTimestamp === undefined && boundTo === '';
  if (!isWaiting || !isClaimOf(claim, provisionerName)) return NOTHING;
  if (storageClass === undefined) return failed(missingClass(claim));
  if (storageClass.provisioner !== provisionerName) return NOTHING;
  if (waitsForConsumer(claim, storageClass)) return NOTHING;
  try {
    return nextVolumeStep(facts, { claim, storageClass, volume });
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    return failed(error.message);
  }
}

interface Order {
  readonly claim: Claim;
  readonly storageClass: StorageClass;
  readonly volume: SeenVolume | undefined;
}

/** Errors: INVALID_ARGUMENT, for what is asked for and cannot be. */
function nextVolumeStep(facts: Facts, { claim, storageClass, volume }: Order): Decision {
  const { address, provisionerName } = facts;
  const wanted = makeVolume(claim, storageClass);
  if (volume === undefined) {
    const message = `makes Volume ${addressOf(address)} of ${wanted.spec?.size}`;
    const notice = { type: 'Normal', reason: 'Provisioning', message } as const;
    return { step: { kind: 'create-volume', volume: wanted }, notice };
  }
  const { object, id, servedBytes, portal, refusal } = volume;
  if (!isMadeForClaim(object)) {
    return failed(
      `Volume ${addressOf(address)} is there and was not made for this claim; delete it`,
    );
  }
  if (volume.isGoing) return freed(volume);
  if (id === undefined || servedBytes === undefined) {
    if (!agrees(object, wanted)) {
      return { step: { kind: 'replace-volume', volume: corrected(object, wanted) } };
    }
    return refusal === undefined ? NOTHING : failed(refusal);
  }
  if (portal === undefined) return NOTHING;
  if (annotationOf(object, PERSISTENT_VOLUME) === undefined)
    return { step: { kind: 'mark-volume', metadata: object.metadata } };
  const parts = { claim, storageClass, volume: object, id, portal, servedBytes, provisionerName };
  const persistentVolume = makePersistentVolume(parts);
  const message = `made PersistentVolume ${address.name}, served at ${portal}`;
  return {
    step: { kind: 'create-pv', persistentVolume },
    notice: { type: 'Normal', reason: 'ProvisioningSucceeded', message },
  };
}

/** What never had a PersistentVolume holds nothing of anybody's. */
function nextUnusedStep(volume: SeenVolume | undefined): Decision {
  if (volume === undefined || !isMadeForClaim(volume.object)) return NOTHING;
  const wasGiven = annotationOf(volume.object, PERSISTENT_VOLUME) !== undefined;
  if (wasGiven || volume.isGoing) return freed(volume);
  return { step: { kind: 'delete-volume', metadata: volume.object.metadata } };
}

/** The Volume goes first: a PersistentVolume that is gone would leave nobody who knows of its data. */
function nextEndStep(pv: PersistentVolume, own: SeenVolume | undefined): Decision {
  const { metadata, spec } = pv;
  const isDeleted = metadata.deletionTimestamp !== undefined;
  if (spec?.persistentVolumeReclaimPolicy === 'Delete') {
    if (own !== undefined) return nextDeletionStep(own);
    if (!isDeleted) return { step: { kind: 'delete-pv', metadata } };
  }
  if (!isDeleted || !isHeld(pv)) return NOTHING;
  if (own !== undefined && isHeld(own.object)) return freed(own);
  return { step: { kind: 'free-pv', metadata } };
}

/** Let go first: else it would be told that it cannot be deleted because it is held. */
function nextDeletionStep({ object, isGoing, inUse }: SeenVolume): Decision {
  const { metadata } = object;
  if (isHeld(object)) return { step: { kind: 'free-volume', metadata } };
  if (!isGoing) return { step: { kind: 'delete-volume', metadata } };
  if (inUse === undefined) return NOTHING;
  return { notice: { type: 'Warning', reason: 'VolumeFailedDelete', message: inUse } };
}

function freed({ object }: SeenVolume): Decision {
  const { metadata } = object;
  return isHeld(object) ? { step: { kind: 'free-volume', metadata } } : NOTHING;
}

/** Of that name there may be another volume by now, which is not this one's to grow or to delete. */
function isBehind({ id }: SeenVolume, { metadata }: PersistentVolume): boolean {
  return id !== undefined && id === metadata.labels?.[LABELS.volumeId];
}

/** Whether nobody uses it any more, or anybody may. */
function isOver({ metadata, status }: PersistentVolume, claim: Claim | undefined): boolean {
  if (claim?.spec?.volumeName === metadata.name) return false;
  const isFree = status?.phase === 'Released' || status?.phase === 'Failed';
  return isFree || metadata.deletionTimestamp !== undefined;
}

/** The scheduler names a node for the first pod that uses it; the Volume begins there. */
function waitsForConsumer(claim: Claim, { volumeBindingMode }: StorageClass): boolean {
  const isDelayed = volumeBindingMode === 'WaitForFirstConsumer';
  return isDelayed && (annotationOf(claim, SELECTED_NODE) ?? '') === '';
}

/** Whether a Volume that was refused is still what is asked for; others may have added to it. */
function agrees(object: VolumeObject, wanted: VolumeObject): boolean {
  const labels = Object.entries(wanted.metadata.labels ?? {});
  const hasLabels = labels.every(([name, value]) => object.metadata.labels?.[name] === value);
  const fields = ['size', 'defaults', 'chapSecretRef', 'placement'];
  return (
    hasLabels && fields.every((name) => show(object.spec?.[name]) === show(wanted.spec?.[name]))
  );
}

function corrected(object: VolumeObject, wanted: VolumeObject): VolumeObject {
  const { metadata } = object;
  const labels = { ...metadata.labels, ...wanted.metadata.labels };
  return { ...object, metadata: { ...metadata, labels }, spec: wanted.spec ?? {} };
}

/** One level deep, whatever the order of the fields. */
function show(value: unknown): string {
  const isObject = typeof value === 'object' && value !== null;
  return JSON.stringify(isObject ? Object.entries(value).sort() : (value ?? null));
}

function missingClass({ spec }: Claim): string {
  return `StorageClass ${spec?.storageClassName ?? ''} does not exist; create it, or delete the claim and name another class`;
}

function failed(message: string): Decision {
  return { notice: { type: 'Warning', reason: 'ProvisioningFailed', message } };
}
