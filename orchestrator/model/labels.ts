import { foldName, isInitiatorName } from '../../controller/protocol/initiator-name.ts';
import {
  FAILURE_MODES,
  type FailureMode,
  MAX_INITIATORS,
} from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { MAX_REPLICAS } from '../../replica/common/limits.ts';

/** What labels decide about a volume (requirements S4–S7, S22–S28, S31, N2, N7). */
export interface Policy {
  /** Copies besides the first. */
  readonly replicas: number;
  readonly failureMode: FailureMode;
  /** Copies that may be missing in soft mode. */
  readonly failureTolerance: number;
  /** iSCSI names, folded, in the order given, that may log in; empty: all. */
  readonly initiators: readonly string[];
  readonly allowsSanitize: boolean;
}

export type Labels = Readonly<Record<string, string>>;

export type PolicyField = keyof Policy;

/** Ours first, then what users of StorageOS have in their scripts. */
const FIELD_OF_LABEL: Readonly<Record<string, PolicyField>> = {
  'keelson.io/replicas': 'replicas',
  'storageos.com/replicas': 'replicas',
  'storageos.feature.replicas': 'replicas',
  'keelson.io/failure-mode': 'failureMode',
  'storageos.com/failure.mode': 'failureMode',
  'storageos.com/failure-mode': 'failureMode',
  'keelson.io/failure-tolerance': 'failureTolerance',
  'storageos.com/failure.tolerance': 'failureTolerance',
  'keelson.io/initiators': 'initiators',
  'keelson.io/sanitize': 'allowsSanitize',
};

/** This alias starts at 1: its documents know it only for adding replicas (S31). */
const FEATURE_REPLICAS = 'storageos.feature.replicas';

const MAX_TOLERANCE = MAX_REPLICAS - 1;

const SANITIZE: readonly string[] = ['allow', 'refuse'];

/**
 * The policy that `labels` ask for, with the defaults for what they leave open.
 *
 * Errors: INVALID_ARGUMENT, naming the label, for a value out of range, an unknown mode, two
 * aliases that disagree, or a label of our families that nobody knows.
 */
export function readPolicy(labels: Labels): Policy {
  const found = new Map<PolicyField, { label: string; value: string }>();
  for (const [label, value] of Object.entries(labels)) {
    const field = knownFieldOf(label);
    if (field === undefined) continue;
    checkValue(field, label, value);
    const other = found.get(field);
    if (other !== undefined && other.value !== value) {
      throw new KeelsonError(
        'INVALID_ARGUMENT',
        `labels ${other.label}=${other.value} and ${label}=${value} disagree; give only one of them`,
      );
    }
    found.set(field, { label, value });
  }
  const replicas = Number(found.get('replicas')?.value ?? 0);
  return {
    replicas,
    failureMode: modeNamed(found.get('failureMode')?.value) ?? 'soft',
    failureTolerance: Number(found.get('failureTolerance')?.value ?? defaultTolerance(replicas)),
    initiators: namesIn(found.get('initiators')?.value ?? ''),
    allowsSanitize: found.get('allowsSanitize')?.value === 'allow',
  };
}

/** N2: the recommended single replica survives the loss of one copy. */
export function defaultTolerance(replicas: number): number {
  return replicas === 1 ? 1 : Math.max(0, replicas - 1);
}

/** What a label decides; undefined when it is only kept for its owner. */
export function policyFieldOf(label: string): PolicyField | undefined {
  return Object.hasOwn(FIELD_OF_LABEL, label) ? FIELD_OF_LABEL[label] : undefined;
}

/** The labels that carry no policy: kept for their owner, never interpreted. */
export function plainLabels(labels: Labels): Labels {
  return Object.fromEntries(
    Object.entries(labels).filter(([label]) => policyFieldOf(label) === undefined),
  );
}

function knownFieldOf(label: string): PolicyField | undefined {
  const field = policyFieldOf(label);
  if (field === undefined && /^(keelson\.io|storageos)([./]|$)/.test(label)) {
    const known = Object.keys(FIELD_OF_LABEL).join(', ');
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `label ${label}: not known; expected one of ${known}`,
    );
  }
  return field;
}

function checkValue(field: PolicyField, label: string, value: string): void {
  switch (field) {
    case 'failureMode':
      if (modeNamed(value) === undefined) throw unexpected(label, FAILURE_MODES.join(', '), value);
      return;
    case 'allowsSanitize':
      if (!SANITIZE.includes(value)) throw unexpected(label, SANITIZE.join(' or '), value);
      return;
    case 'initiators':
      checkInitiators(label, value);
      return;
    default:
      checkNumber(field, label, value);
  }
}

function checkInitiators(label: string, value: string): void {
  const names = namesIn(value);
  const wrong = names.find((name) => !isInitiatorName(name));
  if (wrong !== undefined) {
    throw unexpected(label, 'iSCSI names (iqn., eui. or naa.) with commas between them', wrong);
  }
  if (names.length === 0 || names.length > MAX_INITIATORS) {
    throw unexpected(label, `1 to ${MAX_INITIATORS} names`, `${names.length}`);
  }
}

/** The names of a list, folded, each once. Errors: none; `checkInitiators` says what is wrong. */
function namesIn(list: string): readonly string[] {
  const names = list.split(',').map((name) => foldName(name.trim()));
  return list.trim() === '' ? [] : [...new Set(names)];
}

function checkNumber(field: 'replicas' | 'failureTolerance', label: string, value: string): void {
  const min = label === FEATURE_REPLICAS ? 1 : 0;
  const max = field === 'replicas' ? MAX_REPLICAS : MAX_TOLERANCE;
  const isInRange = /^\d$/.test(value) && Number(value) >= min && Number(value) <= max;
  if (!isInRange) throw unexpected(label, `a whole number from ${min} to ${max}`, value);
}

function modeNamed(value: string | undefined): FailureMode | undefined {
  return FAILURE_MODES.find((mode) => mode === value);
}

function unexpected(label: string, expected: string, value: string): KeelsonError {
  const got = JSON.stringify(value.slice(0, 80));
  return new KeelsonError('INVALID_ARGUMENT', `label ${label}: expected ${expected}, got ${got}`);
}
