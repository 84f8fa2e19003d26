import { KeelsonError } from '../../../replica/common/errors.ts';
import type { Claim, PersistentVolume, StorageClass } from '../../kubernetes/objects.ts';
import { formatQuantity } from '../../model/size.ts';
import { addressOf } from '../../model/volume.ts';
import { conditionsIn, type Finding } from '../../operator/conditions.ts';
import { type Decision, type Facts, NOTHING, type Notice } from './facts.ts';
import { requestedBytes } from './make-volume.ts';
import { annotationOf, FILE_SYSTEM_SIZE } from './names.ts';
import { parseQuantity } from './quantity.ts';
import type { SeenVolume } from './seen-volume.ts';

/** Kubernetes' own names of these conditions of a claim. */
const RESIZING = 'Resizing';
const FILE_SYSTEM_RESIZE_PENDING = 'FileSystemResizePending';
export const CLAIM_CONDITIONS: readonly string[] = [RESIZING, FILE_SYSTEM_RESIZE_PENDING];

/** A bound claim whose volume is there. */
interface Bound {
  readonly claim: Claim;
  readonly pv: PersistentVolume;
  readonly volume: SeenVolume;
  /** Of the PersistentVolume. */
  readonly capacityBytes: number;
}

/**
 * The next step of a bound claim: the Volume grows to what the claim asks for, then the capacity of
 * the PersistentVolume, then what the claim says it has. The file system is left to its owner:
 * kubelets grow none on Kubernetes' own iSCSI volumes.
 */
export function nextGrowthStep(
  { claim, storageClass, address }: Facts,
  pv: PersistentVolume,
  volume: SeenVolume | undefined,
): Decision {
  const isBound = claim?.spec?.volumeName === pv.metadata.name && claim.status?.phase === 'Bound';
  if (claim === undefined || !isBound) return NOTHING;
  if (volume?.servedBytes === undefined) {
    const message = `Volume ${addressOf(address)}, which this claim is bound to, is gone, and its data with it; restore a backup into a new claim`;
    return { notice: { type: 'Warning', reason: 'VolumeLost', message } };
  }
  const capacityBytes = parseQuantity(pv.spec?.capacity?.storage) ?? 0;
  if (volume.servedBytes > capacityBytes) {
    return { step: { kind: 'grow-pv', capacity: formatQuantity(volume.servedBytes) } };
  }
  const bound = { claim, pv, volume, capacityBytes };
  const growth = growthOf(bound, storageClass);
  return nextStatusStep(bound, growth) ?? nextVolumeStep(bound, growth);
}

/** What the claim asks for beyond what it has. */
type Growth =
  | { readonly kind: 'none' }
  | { readonly kind: 'wanted'; readonly toBytes: number }
  | { readonly kind: 'refused'; readonly why: string };

function growthOf({ claim, volume, capacityBytes }: Bound, storageClass?: StorageClass): Growth {
  const request = parseQuantity(claim.spec?.resources?.requests?.storage) ?? 0;
  if (request <= capacityBytes) return { kind: 'none' };
  // One that is gone cannot say no any more; the API server asked it before it took the request.
  if (storageClass !== undefined && storageClass.allowVolumeExpansion !== true) {
    const why = `StorageClass ${storageClass.metadata.name} has no allowVolumeExpansion: true; the claim keeps the size it has`;
    return { kind: 'refused', why };
  }
  try {
    const toBytes = requestedBytes(claim);
    const isTold = volume.wantedBytes !== undefined && volume.wantedBytes >= toBytes;
    if (isTold && volume.refusal !== undefined) return { kind: 'refused', why: volume.refusal };
    return { kind: 'wanted', toBytes };
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    return { kind: 'refused', why: error.message };
  }
}

function nextVolumeStep({ volume }: Bound, growth: Growth): Decision {
  switch (growth.kind) {
    case 'none':
      return NOTHING;
    case 'refused':
      return { notice: { type: 'Warning', reason: 'VolumeResizeFailed', message: growth.why } };
    default: {
      const isTold = volume.wantedBytes !== undefined && volume.wantedBytes >= growth.toBytes;
      if (isTold || volume.isGoing) return NOTHING;
      return { step: { kind: 'grow-volume', size: formatQuantity(growth.toBytes) } };
    }
  }
}

function nextStatusStep(bound: Bound, growth: Growth): Decision | undefined {
  const { claim, capacityBytes } = bound;
  const told = parseQuantity(claim.status?.capacity?.storage) ?? capacityBytes;
  const hasGrown = capacityBytes > told;
  const findings = findingsOf(bound, growth, hasGrown);
  if (!hasGrown && isSame(claim, findings)) return undefined;
  const capacity = formatQuantity(capacityBytes);
  const notice = hasGrown ? { notice: grownNotice(capacity, findings) } : {};
  return { step: { kind: 'set-claim-status', capacity, findings }, ...notice };
}

function grownNotice(capacity: string, findings: readonly Finding[]): Notice {
  const pending = findings.find(({ type }) => type === FILE_SYSTEM_RESIZE_PENDING);
  if (pending === undefined) {
    const message = `has ${capacity} now; rescan the disk where it is in use: iscsiadm -m session --rescan`;
    return { type: 'Normal', reason: 'VolumeResizeSuccessful', message };
  }
  return { type: 'Normal', reason: 'FileSystemResizeRequired', message: pending.message };
}

function findingsOf(bound: Bound, growth: Growth, hasGrown: boolean): readonly Finding[] {
  const { claim, pv, capacityBytes } = bound;
  const findings: Finding[] = [];
  if (growth.kind === 'wanted') {
    const message = `the volume grows to ${formatQuantity(growth.toBytes)}`;
    findings.push({ type: RESIZING, status: 'True', reason: 'VolumeGrows', message });
  }
  const wasPending = conditionsIn(claim.status).some(
    ({ type, status }) => type === FILE_SYSTEM_RESIZE_PENDING && status === 'True',
  );
  const isPending = pv.spec?.volumeMode !== 'Block' && (hasGrown || wasPending);
  const grownTo = parseQuantity(annotationOf(claim, FILE_SYSTEM_SIZE)) ?? 0;
  if (isPending && grownTo < capacityBytes) findings.push(pendingFinding(claim, capacityBytes));
  return findings;
}

/** Nobody but the owner knows when it is done, so he says so. */
function pendingFinding({ metadata }: Claim, capacityBytes: number): Finding {
  const size = formatQuantity(capacityBytes);
  return {
    type: FILE_SYSTEM_RESIZE_PENDING,
    status: 'True',
    reason: 'GrowByHand',
    message: `the volume has ${size}, but its file system does not: on the node of the pod run iscsiadm -m session --rescan, then resize2fs or xfs_growfs, then say so with kubectl annotate --overwrite -n ${metadata.namespace} pvc ${metadata.name} ${FILE_SYSTEM_SIZE}=${size}`,
  };
}

function isSame(claim: Claim, findings: readonly Finding[]): boolean {
  const ours = conditionsIn(claim.status).filter(({ type }) => CLAIM_CONDITIONS.includes(type));
  const show = (all: readonly Finding[]) =>
    JSON.stringify(all.map(({ type, status, message }) => [type, status, message]).sort());
  return (
    show(ours.map((condition) => ({ reason: '', message: '', ...condition }))) === show(findings)
  );
}
