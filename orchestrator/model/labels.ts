import { foldName, isInitiatorName } from '../../controller/protocol/initiator-name.ts';
import {
  FAILURE_MODES,
  type FailureMode,
  MAX_INITIATORS,
} from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { MAX_REPLICAS } from '../../replica/common/limits.ts';
import { readObject } from '../../replica/common/validate.ts';

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

export const POLICY_FIELDS = [
  'replicas',
  'failureMode',
  'failureTolerance',
  'initiators',
  'allowsSanitize',
] as const satisfies readonly (keyof Policy)[];
export type PolicyField = (typeof POLICY_FIELDS)[number];

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

export const MAX_LABELS = 64;
/** Some 100 iSCSI names: the longest value that means anything. */
export const MAX_LABEL_VALUE_CHARS = 8192;
export const LABEL_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,316}$/;

/** Reads labels as they were given, whatever they mean. Errors: INVALID_ARGUMENT, naming the label. */
export function decodeLabels(value: unknown, field = 'labels'): Labels {
  const fields = readObject(value, field);
  const names = Object.keys(fields);
  if (names.length > MAX_LABELS) {
    throw new KeelsonError('INVALID_ARGUMENT', `${field}: expected at most ${MAX_LABELS}`);
  }
  for (const name of names) {
    if (!isLabelName(name)) {
      throw new KeelsonError(
        'INVALID_ARGUMENT',
        `label ${JSON.stringify(name.slice(0, 80))}: expected letters, digits and . _ - /`,
      );
    }
  }
  return Object.fromEntries(names.map((name) => [name, readLabelValue(name, fields[name])]));
}

/**
 * Reads labels of which each must decide something: those of a rule, and defaults. Anywhere else a
 * label may be its owner's own business; here it would do nothing, and nobody would notice.
 *
 * Errors: INVALID_ARGUMENT, naming the label.
 */
export function decodePolicyLabels(value: unknown): Labels {
  const labels = decodeLabels(value);
  readPolicyLabels(labels);
  const [idle] = Object.keys(plainLabels(labels));
  if (idle !== undefined) throw unknownLabel(idle, 'decides nothing');
  return labels;
}

/** A label that decides something, as it was given. */
export interface PolicyLabel {
  readonly label: string;
  readonly value: string;
}

/** What labels decide; fields that they leave open are not there. */
export type PolicyLabels = ReadonlyMap<PolicyField, PolicyLabel>;

/**
 * What `labels` decide.
 *
 * Errors: INVALID_ARGUMENT, naming the label, for a value out of range, an unknown mode, two
 * aliases that disagree, or a label of our families that nobody knows.
 */
export function readPolicyLabels(labels: Labels): PolicyLabels {
  const found = new Map<PolicyField, PolicyLabel>();
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
    if (other === undefined) found.set(field, { label, value });
  }
  return found;
}

/** The policy of these labels, with the built-in defaults for what they leave open. */
export function makePolicy(found: PolicyLabels): Policy {
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
function defaultTolerance(replicas: number): number {
  return replicas === 1 ? 1 : Math.max(0, replicas - 1);
}

export function isLabelName(name: string): boolean {
  return LABEL_NAME.test(name);
}

/**
 * All names of what a label decides; a label that decides nothing has only its own.
 *
 * Errors: INVALID_ARGUMENT for a label of our families that nobody knows.
 */
export function labelFamily(label: string): readonly string[] {
  const field = knownFieldOf(label);
  if (field === undefined) return [label];
  return Object.keys(FIELD_OF_LABEL).filter((name) => FIELD_OF_LABEL[name] === field);
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
    throw unknownLabel(label, 'not known');
  }
  return field;
}

function readLabelValue(name: string, value: unknown): string {
  if (typeof value === 'string' && value.length <= MAX_LABEL_VALUE_CHARS) return value;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `label ${name}: expected a string of at most ${MAX_LABEL_VALUE_CHARS} characters`,
  );
}

function unknownLabel(label: string, reason: string): KeelsonError {
  const known = Object.keys(FIELD_OF_LABEL).join(', ');
  return new KeelsonError(
    'INVALID_ARGUMENT',
    `label ${label}: ${reason}; expected one of ${known}`,
  );
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
