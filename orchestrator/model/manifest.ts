import { FAILURE_MODES, MAX_INITIATORS } from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { MAX_REPLICAS } from '../../replica/common/limits.ts';
import {
  type Fields,
  readInteger,
  readObject,
  readOneOf,
  readString,
  readStrings,
  readText,
} from '../../replica/common/validate.ts';
import {
  decodeLabels,
  decodePolicyLabels,
  type Labels,
  makePolicy,
  type PolicyField,
  policyFieldOf,
  readPolicyLabels,
} from './labels.ts';
import { decodeRule, MAX_WEIGHT, RULE_ACTIONS, type RuleFields, showRule } from './rule.ts';
import { MAX_SELECTOR_CHARS, parseSelector } from './selector.ts';
import { parseSize } from './size.ts';
import { addressOf, checkDnsLabel, DEFAULT_NAMESPACE, type VolumeName } from './volume.ts';

/**
 * Volumes and rules as people declare them in files: the schema of the Kubernetes resources.
 *
 *   apiVersion: keelson.io/v1alpha1
 *   kind: Volume
 *   metadata: { name: data, namespace: default, labels: { env: prod } }
 *   spec:
 *     size: 10Gi                      of a new volume 1Gi; else it stays as it is
 *     replicas: 2                     these five say what the labels of that name say
 *     failureMode: soft
 *     failureTolerance: 1
 *     initiators: [iqn.2026-11.com.example:host1]
 *     sanitize: refuse
 *     chapSecretFile: data.chap       beside the file; left out: CHAP stays as it is
 *     chapSecretRef: { name: chap }   instead of it, of an object in a cluster; left out: no CHAP
 *     placement: { preferredNode: n1 }      these two count for a new volume alone
 *     defaults: { keelson.io/replicas: "1" }
 *
 *   apiVersion: keelson.io/v1alpha1
 *   kind: Rule
 *   metadata: { name: two-for-prod, namespace: default }
 *   spec: { selector: env==prod, action: add, labels: { keelson.io/replicas: "2" }, weight: 0 }
 */
export const API_VERSION = 'keelson.io/v1alpha1';

export type Manifest = VolumeManifest | RuleManifest;

/** A file that `keelson apply` reads, or an object of a cluster (manifests/kubernetes/base/crds). */
export type ManifestSource = 'file' | 'cluster';

export interface VolumeManifest extends VolumeName {
  readonly kind: 'Volume';
  /** As people write it; see size.ts. */
  readonly size?: string;
  /** Those of `metadata` and those that stand for fields of `spec`. */
  readonly labels: Labels;
  /** Beside the file; of files alone. */
  readonly chapSecretFile?: string;
  /** Name of a Secret in the volume's namespace; of clusters alone. */
  readonly chapSecretRef?: string;
  /** The node of the first copy, if it takes copies. */
  readonly preferredNode?: string;
  /** Of the class that makes it. */
  readonly defaults?: Labels;
}

export interface RuleManifest {
  readonly kind: 'Rule';
  readonly rule: RuleFields;
}

type Path = readonly string[];

/** What is wrong with a manifest, and where in it. The message names the field. */
export class ManifestFault extends KeelsonError {
  /** `spec`, `replicas`. */
  readonly path: Path;

  constructor(path: Path, message: string) {
    super('INVALID_ARGUMENT', message);
    this.name = 'ManifestFault';
    this.path = path;
  }
}

const KINDS = ['Volume', 'Rule'] as const;
const PATH_CHARS = 4096;

/** A name in Kubernetes: RFC 1123, lower case. */
export const KUBE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
export const MAX_KUBE_NAME_CHARS = 253;

/**
 * Reads one document. Nothing is ignored: a field that is not known may be a misspelt one.
 *
 * @param defaultNamespace of documents that name none
 * Errors: ManifestFault.
 */
export function decodeManifest(
  value: unknown,
  defaultNamespace = DEFAULT_NAMESPACE,
  source: ManifestSource = 'file',
): Manifest {
  const document = at([], () => readObject(value, 'document'));
  refuseUnknown([], document, ['apiVersion', 'kind', 'metadata', 'spec']);
  at(['apiVersion'], () => readOneOf(document, 'apiVersion', [API_VERSION]));
  const kind = at(['kind'], () => readOneOf(document, 'kind', KINDS));
  const spec = readSection(document, 'spec');
  return kind === 'Volume'
    ? decodeVolume(document, spec, { defaultNamespace, source })
    : decodeRuleManifest(document, spec, defaultNamespace);
}

/** `volume default/data`. */
export function describeManifest(manifest: Manifest): string {
  return manifest.kind === 'Volume'
    ? `volume ${addressOf(manifest)}`
    : `rule ${addressOf(manifest.rule)}`;
}

function decodeVolume(
  document: Fields,
  spec: Fields,
  { defaultNamespace, source }: { defaultNamespace: string; source: ManifestSource },
): VolumeManifest {
  const metadata = readSection(document, 'metadata');
  refuseUnknown(['metadata'], metadata, ['name', 'namespace', 'labels']);
  refuseOtherChap(spec, source);
  const chapField = CHAP_FIELDS[source];
  const known = ['size', ...Object.keys(SPEC_LABELS), chapField, 'placement', 'defaults'];
  refuseUnknown(['spec'], spec, known);
  const labels = readLabels(['metadata', 'labels'], metadata.labels);
  const size = readSize(spec);
  const file = readField(spec, 'chapSecretFile', (fields, name) =>
    readString(fields, name, PATH_CHARS),
  );
  const chapSecretRef = readNameIn(spec, 'chapSecretRef', 'name', { isRequired: true });
  const preferredNode = readNameIn(spec, 'placement', 'preferredNode', { isRequired: false });
  return {
    kind: 'Volume',
    ...readName(metadata, defaultNamespace),
    labels: withSpecLabels(labels, spec),
    ...(size === undefined ? {} : { size }),
    ...(file === undefined ? {} : { chapSecretFile: file }),
    ...(chapSecretRef === undefined ? {} : { chapSecretRef }),
    ...(preferredNode === undefined ? {} : { preferredNode }),
    ...(spec.defaults === undefined ? {} : { defaults: readDefaults(spec.defaults) }),
  };
}

const CHAP_FIELDS = { file: 'chapSecretFile', cluster: 'chapSecretRef' } as const;

function refuseOtherChap(spec: Fields, source: ManifestSource): void {
  const other = source === 'file' ? 'cluster' : 'file';
  const field = CHAP_FIELDS[other];
  if (spec[field] === undefined) return;
  const why = {
    file: 'a file beside the manifest, which a cluster cannot read; make a Secret and give chapSecretRef',
    cluster: 'a Secret of a cluster, which a file cannot name; give chapSecretFile',
  };
  throw new ManifestFault(['spec', field], `spec.${field}: ${why[other]}`);
}

/** The one name in a part of `spec`. */
function readNameIn(
  spec: Fields,
  part: string,
  field: string,
  { isRequired }: { isRequired: boolean },
): string | undefined {
  const fields = readField(spec, part, (given, shown) => readObject(given[shown], shown));
  if (fields === undefined) return undefined;
  refuseUnknown(['spec', part], fields, [field]);
  if (fields[field] === undefined && !isRequired) return undefined;
  const shown = `spec.${part}.${field}`;
  return at(['spec', part, field], () => {
    const name = readString({ [shown]: fields[field] }, shown, MAX_KUBE_NAME_CHARS);
    if (KUBE_NAME.test(name)) return name;
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `${shown} ${JSON.stringify(name.slice(0, 80))}: expected a-z, 0-9, - and .`,
    );
  });
}

function readDefaults(value: unknown): Labels {
  const path = ['spec', 'defaults'];
  const labels = readLabels(path, value);
  return at(path, () => decodePolicyLabels(labels));
}

function decodeRuleManifest(
  document: Fields,
  spec: Fields,
  defaultNamespace: string,
): RuleManifest {
  const metadata = readSection(document, 'metadata');
  refuseUnknown(['metadata'], metadata, ['name', 'namespace']);
  refuseUnknown(['spec'], spec, ['selector', 'action', 'labels', 'weight']);
  const { namespace, name } = readName(metadata, defaultNamespace);
  const selector = readField(spec, 'selector', (fields, field) =>
    readText(fields, field, MAX_SELECTOR_CHARS),
  );
  at(['spec', 'selector'], () => parseSelector(selector ?? ''));
  const action = readField(spec, 'action', (fields, field) =>
    readOneOf(fields, field, RULE_ACTIONS),
  );
  const labels = readLabels(['spec', 'labels'], spec.labels);
  const weight = readField(spec, 'weight', (fields, field) =>
    readInteger(fields, field, { min: 0, max: MAX_WEIGHT }),
  );
  const rule = { namespace, name, selector: selector ?? '', action: action ?? 'add', labels };
  const decoded = at(['spec', 'labels'], () => decodeRule({ ...rule, weight: weight ?? 0 }));
  return { kind: 'Rule', rule: showRule(decoded) };
}

/** A field of `spec` that says the same as a label. */
interface SpecLabel {
  readonly field: PolicyField;
  readonly label: string;
  /** The label's value. Errors: those of validate.ts. */
  readonly read: (fields: Fields, name: string) => string;
}

const SPEC_LABELS: Readonly<Record<string, SpecLabel>> = {
  replicas: {
    field: 'replicas',
    label: 'keelson.io/replicas',
    read: (fields, name) => String(readInteger(fields, name, { min: 0, max: MAX_REPLICAS })),
  },
  failureMode: {
    field: 'failureMode',
    label: 'keelson.io/failure-mode',
    read: (fields, name) => readOneOf(fields, name, FAILURE_MODES),
  },
  failureTolerance: {
    field: 'failureTolerance',
    label: 'keelson.io/failure-tolerance',
    read: (fields, name) => String(readInteger(fields, name, { min: 0, max: MAX_REPLICAS - 1 })),
  },
  initiators: {
    field: 'initiators',
    label: 'keelson.io/initiators',
    read: (fields, name) => readStrings(fields, name, MAX_INITIATORS).join(','),
  },
  sanitize: {
    field: 'allowsSanitize',
    label: 'keelson.io/sanitize',
    read: (fields, name) => readOneOf(fields, name, ['allow', 'refuse']),
  },
};

/** The labels, and one for each field of `spec` that none of them speaks about. */
function withSpecLabels(labels: Labels, spec: Fields): Labels {
  const added: [string, string][] = [];
  for (const [name, { field, label, read }] of Object.entries(SPEC_LABELS)) {
    const value = readField(spec, name, read);
    if (value === undefined) continue;
    at(['spec', name], () => readPolicyLabels({ [label]: value }));
    const other = Object.keys(labels).find((known) => policyFieldOf(known) === field);
    if (other === undefined) added.push([label, value]);
    else
      checkAgreement({ name, field, label, value }, { label: other, value: labels[other] ?? '' });
  }
  return { ...labels, ...Object.fromEntries(added) };
}

function checkAgreement(
  given: { name: string; field: PolicyField; label: string; value: string },
  other: { label: string; value: string },
): void {
  const meaning = ({ label, value }: { label: string; value: string }) =>
    JSON.stringify(makePolicy(readPolicyLabels({ [label]: value }))[given.field]);
  if (meaning(given) === meaning(other)) return;
  throw new ManifestFault(
    ['spec', given.name],
    `spec.${given.name}: says ${given.value}, but the label ${other.label} says ${other.value}; give only one of them`,
  );
}

function readName(metadata: Fields, defaultNamespace: string): VolumeName {
  const read = (field: 'name' | 'namespace', value: unknown) =>
    at(['metadata', field], () => {
      const text = readString({ [`metadata.${field}`]: value }, `metadata.${field}`);
      checkDnsLabel(`metadata.${field}`, text);
      return text;
    });
  return {
    namespace: read('namespace', metadata.namespace ?? defaultNamespace),
    name: read('name', metadata.name),
  };
}

/** Label by label, so that a fault is found on its own line. */
function readLabels(path: Path, value: unknown): Labels {
  const what = path.join('.');
  const fields = at(path, () => readObject(value ?? {}, what));
  for (const [label, text] of Object.entries(fields)) {
    at([...path, label], () => {
      if (typeof text === 'string') return readPolicyLabels(decodeLabels({ [label]: text }));
      // What YAML takes for a number or a truth value, Kubernetes refuses as well.
      const shown = JSON.stringify(text)?.slice(0, 80);
      throw new KeelsonError(
        'INVALID_ARGUMENT',
        `${what}: label ${label}: expected a string, got ${shown}; put it in quotes`,
      );
    });
  }
  return at(path, () => {
    const labels = decodeLabels(fields);
    readPolicyLabels(labels); // two names for one thing may disagree
    return labels;
  });
}

/** A bare number of GiB is what `--size` takes as well. */
function readSize(spec: Fields): string | undefined {
  const size = typeof spec.size === 'number' ? { size: String(spec.size) } : spec;
  return readField(size, 'size', (fields, name) => {
    const text = readString(fields, name, 32);
    parseSize(text);
    return text;
  });
}

/** A field of `spec`, or undefined when it is not there; its name in messages is `spec.NAME`. */
function readField<T>(
  spec: Fields,
  name: string,
  read: (fields: Fields, name: string) => T,
): T | undefined {
  if (spec[name] === undefined) return undefined;
  const shown = `spec.${name}`;
  return at(['spec', name], () => read({ [shown]: spec[name] }, shown));
}

/** A part that may be left out, or empty, which YAML reads as null. */
function readSection(document: Fields, name: 'metadata' | 'spec'): Fields {
  return at([name], () => readObject(document[name] ?? {}, name));
}

function refuseUnknown(path: Path, fields: Fields, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((field) => !known.includes(field));
  if (unknown === undefined) return;
  const shown = [...path, unknown.slice(0, 80)].join('.');
  throw new ManifestFault(
    [...path, unknown],
    `${shown}: not a known field; expected one of ${known.join(', ')}`,
  );
}

/** Says where in the document an error of `read` is. */
function at<T>(path: Path, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof KeelsonError) || error instanceof ManifestFault) throw error;
    throw new ManifestFault(path, error.message);
  }
}
