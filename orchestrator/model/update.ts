import {
  type ChapCredentials,
  chapModeOf,
  decodeChapOrNull,
} from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { readObject, readString, readStrings } from '../../replica/common/validate.ts';
import { type Labels, policyFieldOf, readPolicy } from './labels.ts';
import { formatSize, parseSize } from './size.ts';
import {
  decodeLabels,
  isSameChap,
  refuseUnknownFields,
  showInitiators,
  showLabels,
  showSanitize,
  type VolumeRecord,
} from './volume.ts';

/** What a user changes on a live volume (S35): its policy, by labels, and who may log in. */
export interface VolumeUpdate {
  readonly labelsAdd: Labels;
  readonly labelsRemove: readonly string[];
  /** As in `volume create`; a volume only grows. */
  readonly size?: string;
  /** Null: initiators need not prove anything any more. Undefined: as it is. */
  readonly chap?: ChapCredentials | null;
}

const MAX_REMOVED_LABELS = 64;

/** Reads the body of an update. Errors: INVALID_ARGUMENT, naming the field or the label. */
export function decodeVolumeUpdate(value: unknown): VolumeUpdate {
  const fields = readObject(value, 'update');
  refuseUnknownFields(fields, ['labelsAdd', 'labelsRemove', 'size', 'chap']);
  const labelsAdd = decodeLabels(fields.labelsAdd ?? {});
  const labelsRemove =
    fields.labelsRemove === undefined
      ? []
      : readStrings(fields, 'labelsRemove', MAX_REMOVED_LABELS);
  readPolicy(labelsAdd); // two aliases that disagree are a mistake, whatever the volume has
  const both = labelsRemove.find((label) => Object.hasOwn(labelsAdd, label));
  if (both !== undefined) {
    throw new KeelsonError('INVALID_ARGUMENT', `label ${both}: given to add and to remove`);
  }
  const size = fields.size === undefined ? undefined : readString(fields, 'size', 32);
  if (size !== undefined) parseSize(size);
  return {
    ...{ labelsAdd, labelsRemove },
    ...(size === undefined ? {} : { size }),
    ...(fields.chap === undefined ? {} : { chap: decodeChapOrNull(fields.chap) }),
  };
}

/**
 * The labels after an update. A label that decides something takes the place of every other name
 * for the same thing: else a volume that was created with one name could never be updated by another.
 */
export function updateLabels(labels: Labels, { labelsAdd, labelsRemove }: VolumeUpdate): Labels {
  const decided = new Set(Object.keys(labelsAdd).map(policyFieldOf));
  const kept = Object.entries(labels).filter(([label]) => {
    const field = policyFieldOf(label);
    const isReplaced = field !== undefined && decided.has(field);
    return !isReplaced && !labelsRemove.includes(label);
  });
  return decodeLabels({ ...Object.fromEntries(kept), ...labelsAdd });
}

/** What an update changed, in words; empty when nothing did. */
export function explainUpdate(before: VolumeRecord, after: VolumeRecord): string[] {
  const facts: [string, string | number, string | number][] = [
    ['size', formatSize(before.spec.sizeBytes), formatSize(after.spec.sizeBytes)],
    ['replicas', before.spec.replicas, after.spec.replicas],
    ['failure mode', before.spec.failureMode, after.spec.failureMode],
    ['failure tolerance', before.spec.failureTolerance, after.spec.failureTolerance],
    ['initiators', showInitiators(before.spec.initiators), showInitiators(after.spec.initiators)],
    ['SANITIZE', showSanitize(before.spec), showSanitize(after.spec)],
    ['CHAP', chapModeOf(before.chap), chapModeOf(after.chap)],
    ['labels', showLabels(before.labels), showLabels(after.labels)],
  ];
  const changes = facts
    .filter(([, was, is]) => was !== is)
    .map(([what, was, is]) => `${what} changed from ${was} to ${is}`);
  const isOther =
    chapModeOf(before.chap) === chapModeOf(after.chap) && !isSameChap(before.chap, after.chap);
  return isOther ? [...changes, 'CHAP credentials changed'] : changes;
}
