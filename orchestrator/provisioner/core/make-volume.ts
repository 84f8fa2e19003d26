import { KeelsonError } from '../../../replica/common/errors.ts';
import { MAX_VOLUME_BYTES } from '../../../replica/common/limits.ts';
import type { Claim, StorageClass, VolumeObject } from '../../kubernetes/objects.ts';
import { VOLUMES } from '../../kubernetes/resources.ts';
import { decodeLabels, readPolicyLabels } from '../../model/labels.ts';
import { formatQuantity, formatSize, MIN_VOLUME_BYTES, roundUpToBlocks } from '../../model/size.ts';
import { readClassParameters } from './class-parameters.ts';
import { annotationOf, CLAIM, CLAIM_UID, SELECTED_NODE, volumeNameOf } from './names.ts';
import { parseQuantity } from './quantity.ts';

const READ_WRITE_ONCE = 'ReadWriteOnce';

/**
 * The Volume that a claim asks for: its labels are the claim's, its defaults the class's.
 *
 * Errors: INVALID_ARGUMENT, saying what the claim or the class would have to be like.
 */
export function makeVolume(claim: Claim, storageClass: StorageClass): VolumeObject {
  checkClaim(claim);
  const { defaults, chapSecretName } = parametersOf(storageClass);
  const labels = decodeLabels(claim.metadata.labels ?? {});
  readPolicyLabels(labels);
  const preferredNode = annotationOf(claim, SELECTED_NODE);
  return {
    apiVersion: VOLUMES.apiVersion,
    kind: VOLUMES.kind,
    metadata: {
      ...volumeNameOf(claim),
      labels,
      annotations: {
        [CLAIM]: claim.metadata.name,
        [CLAIM_UID]: claim.metadata.uid ?? '',
      },
    },
    spec: {
      size: formatQuantity(requestedBytes(claim)),
      defaults,
      ...(chapSecretName === undefined ? {} : { chapSecretRef: { name: chapSecretName } }),
      ...(preferredNode === undefined ? {} : { placement: { preferredNode } }),
    },
  };
}

/** Errors: INVALID_ARGUMENT, naming the class. */
export function parametersOf(storageClass: StorageClass) {
  try {
    return readClassParameters(storageClass.parameters ?? {});
  } catch (cause) {
    if (!(cause instanceof KeelsonError)) throw cause;
    throw invalid(`StorageClass ${storageClass.metadata.name}: ${cause.message}`);
  }
}

/** Units: bytes, whole blocks. Errors: INVALID_ARGUMENT when out of range. */
export function requestedBytes(claim: Claim): number {
  const text = claim.spec?.resources?.requests?.storage;
  const given = parseQuantity(text);
  const sizeBytes = given === undefined ? undefined : roundUpToBlocks(given);
  if (sizeBytes !== undefined && sizeBytes >= MIN_VOLUME_BYTES && sizeBytes <= MAX_VOLUME_BYTES) {
    return sizeBytes;
  }
  const range = `${formatSize(MIN_VOLUME_BYTES)} to ${formatSize(MAX_VOLUME_BYTES)}`;
  throw invalid(`spec.resources.requests.storage: expected ${range}, got ${text ?? 'nothing'}`);
}

function checkClaim({ spec }: Claim): void {
  const modes = spec?.accessModes ?? [];
  const other = modes.find((mode) => mode !== READ_WRITE_ONCE);
  if (other !== undefined || modes.length === 0) {
    throw invalid(
      `spec.accessModes: expected ${READ_WRITE_ONCE}, got ${other ?? 'nothing'}; a volume is a disk of one node at a time, and nothing coordinates the file systems of several`,
    );
  }
  if (spec?.selector !== undefined && spec.selector !== null) {
    throw invalid(
      'spec.selector: a volume that is made for this claim has none of its labels yet; leave the selector out',
    );
  }
  if ((spec?.dataSource ?? spec?.dataSourceRef ?? null) !== null) {
    throw invalid('spec.dataSource: volumes are made empty; leave it out and copy the data');
  }
}

function invalid(reason: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', reason);
}
