import {
  type ChapCredentials,
  chapModeOf,
  decodeChapOrNull,
} from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { readObject, readString, readStrings } from '../../replica/common/validate.ts';
import {
  decodeLabels,
  type Labels,
  type PolicyField,
  policyFieldOf,
  readPolicyLabels,
} from './labels.ts';
import { showOrigin } from './policy.ts';
import { formatSize, parseSize } from './size.ts';
import {
  inField,
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

export const MAX_REMOVED_LABELS = 64;

/** Reads the body of an update. Errors: INVALID_ARGUMENT, naming the field or the label. */
export function decodeVolumeUpdate(value: unknown): VolumeUpdate {
  const fields = readObject(value, 'update');
  refuseUnknownFields(fields, ['labelsAdd', 'labelsRemove', 'size', 'chap']);
  const { labelsAdd: given = {} } = fields;
  const labelsAdd = decodeLabels(given, 'labelsAdd');
  const labelsRemove =
    fields.labelsRemove === undefined
      ? []
      : readStrings(fields, 'labelsRemove', MAX_REMOVED_LABELS);
  readPolicyLabels(labelsAdd); // two aliases that disagree are a mistake, whatever the volume has
  const both = labelsRemove.find((label) => Object.hasOwn(labelsAdd, label));
  if (both !== undefined) {
    throw new KeelsonError('INVALID_ARGUMENT', `label ${both}: given to add and to remove`);
  }
  const size = fields.size === undefined ? undefined : readString(fields, 'size', 32);
  if (size !== undefined) parseSize(size);
  return {
    ...{ labelsAdd, labelsRemove },
    ...(size === undefined ? {} : { size }),
    ...(fields.chap === undefined
      ? {}
      : { chap: inField('chap', () => decodeChapOrNull(fields.chap)) }),
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

/** What changed about a volume that was updated, or that has other rules, in words. */
export function explainUpdate(before: VolumeRecord, after: VolumeRecord): string[] {
  const [was, is] = [policyInWords(before), policyInWords(after)];
  const policy = is.flatMap(({ field, what, value }, index): string[] => {
    const old = was[index]?.value;
    if (old === value) return [];
    return [`${what} changed from ${old} to ${value}${explainOrigin(before, after, field)}`];
  });
  const facts: [string, string, string][] = [
    ['size', formatSize(before.spec.sizeBytes), formatSize(after.spec.sizeBytes)],
    ['CHAP', chapModeOf(before.chap), chapModeOf(after.chap)],
    ['labels', showLabels(before.labels), showLabels(after.labels)],
  ];
  const changes = facts
    .filter(([, old, value]) => old !== value)
    .map(([what, old, value]) => `${what} changed from ${old} to ${value}`);
  const isOther =
    chapModeOf(before.chap) === chapModeOf(after.chap) && !isSameChap(before.chap, after.chap);
  return [...policy, ...changes, ...(isOther ? ['CHAP credentials changed'] : [])];
}

function policyInWords({
  spec,
}: VolumeRecord): { field: PolicyField; what: string; value: string }[] {
  return [
    { field: 'replicas', what: 'replicas', value: String(spec.replicas) },
    { field: 'failureMode', what: 'failure mode', value: spec.failureMode },
    { field: 'failureTolerance', what: 'failure tolerance', value: String(spec.failureTolerance) },
    { field: 'initiators', what: 'initiators', value: showInitiators(spec.initiators) },
    { field: 'allowsSanitize', what: 'SANITIZE', value: showSanitize(spec) },
  ];
}

/** What a user who changed a volume did himself needs no reason; what a rule did does. */
function explainOrigin(before: VolumeRecord, after: VolumeRecord, field: PolicyField): string {
  const [was, is] = [before.origins[field], after.origins[field]];
  if (is.from === 'rule') return ` by ${showOrigin(is)}`;
  const isFreed = was.from === 'rule' && is.from !== 'label';
  return isFreed ? `, as ${showOrigin(was)} does not apply any more` : '';
}
