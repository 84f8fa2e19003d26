import { KeelsonError } from '../../replica/common/errors.ts';
import type { MergePatch } from '../kubernetes/kube-api.ts';
import type { KubeObject, RuleObject, VolumeObject } from '../kubernetes/objects.ts';
import { RULES, VOLUMES } from '../kubernetes/resources.ts';
import {
  type Labels,
  makePolicy,
  type Policy,
  type PolicyField,
  plainLabels,
  policyFieldOf,
  readPolicyLabels,
} from '../model/labels.ts';
import { decodeManifest, type VolumeManifest } from '../model/manifest.ts';
import { decodeRule, type Rule, showRule } from '../model/rule.ts';
import { DEFAULT_VOLUME_BYTES, formatQuantity, parseSize } from '../model/size.ts';
import type { VolumeRecord } from '../model/volume.ts';
import { DATA_FINALIZER } from '../platforms/kubernetes/names.ts';

/** What people see and write of volumes and rules in a cluster, and back. */

/** Errors: ManifestFault. */
export function readVolumeObject(object: VolumeObject): VolumeManifest {
  const { namespace, name, labels = {} } = object.metadata;
  const manifest = readObjectAs(VOLUMES, { namespace, name, labels }, object);
  if (manifest.kind === 'Volume') return manifest;
  throw new Error('a volume was read as a rule');
}

/** Labels of the object itself are its owner's business. Errors: ManifestFault. */
export function readRuleObject(object: RuleObject): Rule {
  const { namespace, name } = object.metadata;
  const manifest = readObjectAs(RULES, { namespace, name }, object);
  if (manifest.kind === 'Rule') return decodeRule(manifest.rule);
  throw new Error('a rule was read as a volume');
}

/** A volume in the one way to write it: what decides something as a field, whatever its label was. */
export interface VolumeText {
  readonly labels: Labels;
  readonly spec: Readonly<Record<string, unknown>>;
}

export function manifestOf(volume: {
  readonly labels: Labels;
  readonly sizeBytes: number;
}): VolumeText {
  const { labels, sizeBytes } = volume;
  const decided = readPolicyLabels(labels);
  const policy = makePolicy(decided);
  const fields = [...decided.keys()].map((field) => {
    const { name, show } = SPEC_FIELDS[field];
    return [name, show(policy)];
  });
  return {
    labels: plainLabels(labels),
    spec: { size: formatQuantity(sizeBytes), ...Object.fromEntries(fields) },
  };
}

/** The object of a volume that was not made by one. */
export function volumeObjectOf(record: VolumeRecord): VolumeObject {
  const { namespace, name } = record.spec;
  const { labels, spec } = manifestOf(textOf(record));
  const defaults = Object.keys(record.defaults).length === 0 ? {} : { defaults: record.defaults };
  return {
    apiVersion: VOLUMES.apiVersion,
    kind: VOLUMES.kind,
    metadata: { namespace, name, labels, finalizers: [DATA_FINALIZER] },
    spec: { ...spec, ...defaults },
  };
}

/**
 * What tells the object of a change that was not made through it. Only what differs between the two
 * records: what else its owner wrote may still wait to be accepted. undefined: it says so already.
 */
export function volumePatch(
  object: VolumeObject,
  before: VolumeRecord,
  after: VolumeRecord,
): MergePatch | undefined {
  const [was, is] = [manifestOf(textOf(before)), manifestOf(textOf(after))];
  const says = sayingOf(object);
  const labels = differenceOf(was.labels, is.labels, says?.labels);
  const spec = differenceOf(was.spec, is.spec, says?.spec);
  // What said it until now by a label would disagree with the field.
  for (const label of Object.keys(object.metadata.labels ?? {})) {
    const field = policyFieldOf(label);
    if (field !== undefined && Object.hasOwn(spec, SPEC_FIELDS[field].name)) labels[label] = null;
  }
  const [hasLabels, hasSpec] = [labels, spec].map((part) => Object.keys(part).length > 0);
  if (!hasLabels && !hasSpec) return undefined;
  return { ...(hasLabels ? { metadata: { labels } } : {}), ...(hasSpec ? { spec } : {}) };
}

export function ruleObjectOf(rule: Rule): RuleObject {
  const { namespace, name } = rule;
  return {
    apiVersion: RULES.apiVersion,
    kind: RULES.kind,
    metadata: { namespace, name },
    spec: ruleSpecOf(rule),
  };
}

export function ruleSpecOf(rule: Rule): Readonly<Record<string, unknown>> {
  const { selector, action, labels, weight } = showRule(rule);
  // API servers built with some versions of Go take an empty text for none, and refuse it.
  return { ...(selector === '' ? {} : { selector }), action, labels, weight };
}

interface SpecField {
  readonly name: string;
  readonly show: (policy: Policy) => unknown;
}

/** The fields that manifest.ts reads. */
const SPEC_FIELDS: Readonly<Record<PolicyField, SpecField>> = {
  replicas: { name: 'replicas', show: ({ replicas }) => replicas },
  failureMode: { name: 'failureMode', show: ({ failureMode }) => failureMode },
  failureTolerance: { name: 'failureTolerance', show: ({ failureTolerance }) => failureTolerance },
  initiators: { name: 'initiators', show: ({ initiators }) => initiators },
  allowsSanitize: {
    name: 'sanitize',
    show: ({ allowsSanitize }) => (allowsSanitize ? 'allow' : 'refuse'),
  },
};

function readObjectAs(
  { apiVersion, kind }: { readonly apiVersion: string; readonly kind: string },
  metadata: object,
  { spec = {} }: KubeObject & { readonly spec?: unknown },
) {
  return decodeManifest({ apiVersion, kind, metadata, spec }, undefined, 'cluster');
}

/** What the object says, in the one way to say it; undefined when it cannot be read. */
function sayingOf(object: VolumeObject): VolumeText | undefined {
  try {
    const { labels, size } = readVolumeObject(object);
    return manifestOf({
      labels,
      sizeBytes: size === undefined ? DEFAULT_VOLUME_BYTES : parseSize(size),
    });
  } catch (error) {
    if (error instanceof KeelsonError) return undefined;
    throw error;
  }
}

function textOf({ labels, spec }: VolumeRecord): { labels: Labels; sizeBytes: number } {
  return { labels, sizeBytes: spec.sizeBytes };
}

/** As a merge patch: what is gone is null. */
function differenceOf(
  was: Readonly<Record<string, unknown>>,
  is: Readonly<Record<string, unknown>>,
  says: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> {
  const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((name) => {
    return !isSame(was[name], is[name]) && !(says !== undefined && isSame(says[name], is[name]));
  });
  return Object.fromEntries(names.map((name) => [name, is[name] ?? null]));
}
