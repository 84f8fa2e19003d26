import { KeelsonError } from '../../replica/common/errors.ts';
import { readObject, readStrings } from '../../replica/common/validate.ts';
import { type Labels, policyFieldOf, readPolicy } from './labels.ts';
import { decodeLabels, refuseUnknownFields, showLabels, type VolumeRecord } from './volume.ts';

/** What a user changes on a live volume (S35): its policy, by labels. */
export interface VolumeUpdate {
  readonly labelsAdd: Labels;
  readonly labelsRemove: readonly string[];
}

const MAX_REMOVED_LABELS = 64;

/** Reads the body of an update. Errors: INVALID_ARGUMENT, naming the field or the label. */
export function decodeVolumeUpdate(value: unknown): VolumeUpdate {
  const fields = readObject(value, 'update');
  refuseUnknownFields(fields, ['labelsAdd', 'labelsRemove']);
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
  return { labelsAdd, labelsRemove };
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
    ['replicas', before.spec.replicas, after.spec.replicas],
    ['failure mode', before.spec.failureMode, after.spec.failureMode],
    ['failure tolerance', before.spec.failureTolerance, after.spec.failureTolerance],
    ['labels', showLabels(before.labels), showLabels(after.labels)],
  ];
  return facts
    .filter(([, was, is]) => was !== is)
    .map(([what, was, is]) => `${what} changed from ${was} to ${is}`);
}
