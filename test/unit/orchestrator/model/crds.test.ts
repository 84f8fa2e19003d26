import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { FAILURE_MODES, MAX_INITIATORS } from '../../../../controller/protocol/registration.ts';
import { MAX_LABEL_VALUE_CHARS, MAX_LABELS } from '../../../../orchestrator/model/labels.ts';
import {
  decodeManifest,
  KUBE_NAME,
  MAX_KUBE_NAME_CHARS,
  ManifestFault,
} from '../../../../orchestrator/model/manifest.ts';
import { MAX_WEIGHT, RULE_ACTIONS } from '../../../../orchestrator/model/rule.ts';
import { MAX_SELECTOR_CHARS } from '../../../../orchestrator/model/selector.ts';
import { SIZE } from '../../../../orchestrator/model/size.ts';
import { DNS_LABEL } from '../../../../orchestrator/model/volume.ts';
import { MAX_REPLICAS, MAX_VOLUME_BYTES } from '../../../../replica/common/limits.ts';

/** The schemas of the resources say what manifest.ts reads, as far as a schema can. */

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly [word: string]: unknown;
}

const [VOLUME, RULE] = ['volumes', 'rules'].map(readCrd) as [Crd, Crd];

interface Crd {
  readonly schema: Schema;
  readonly spec: Schema;
  readonly version: Readonly<Record<string, unknown>>;
}

function readCrd(plural: string): Crd {
  const path = `manifests/kubernetes/base/crds/${plural}.keelson.io.yaml`;
  const { spec } = parse(readFileSync(path, 'utf8'));
  const [version] = spec.versions;
  const schema: Schema = version.schema.openAPIV3Schema;
  return { schema, spec: schema.properties?.spec ?? {}, version };
}

// `x-kubernetes-…` are words of Kubernetes alone; formats are texts for it.
const ajv = new Ajv({ strict: false, validateFormats: false });

function whyRefusedByServer(crd: Crd, document: object): string | undefined {
  const validate = ajv.compile(crd.schema as object);
  return validate(document) ? undefined : ajv.errorsText(validate.errors);
}

function whyRefusedByUs(kind: string, document: object): string | undefined {
  const whole = { apiVersion: 'keelson.io/v1alpha1', kind, ...document };
  try {
    decodeManifest(whole, undefined, 'cluster');
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(ManifestFault);
    return (error as ManifestFault).message;
  }
}

/** Every part of a schema, with its path. */
function parts(schema: Schema, path: string): [string, Schema][] {
  const { properties = {}, additionalProperties, items } = schema;
  return [
    [path, schema],
    ...Object.entries(properties).flatMap(([name, part]) => parts(part, `${path}.${name}`)),
    ...(additionalProperties === undefined ? [] : parts(additionalProperties, `${path}.*`)),
    ...(items === undefined ? [] : parts(items, `${path}[]`)),
  ];
}

test.each([
  ['volume', VOLUME],
  ['rule', RULE],
])('every field of a %s has a type and says what it is for', (_, { schema }) => {
  const silent = parts(schema, '').filter(([path, part]) => {
    // The API server takes nothing but the name there.
    if (path === '.metadata') return false;
    const hasType = part.type !== undefined || part['x-kubernetes-int-or-string'] === true;
    return !hasType || (part.description ?? '').length < 5;
  });
  expect(silent.map(([path]) => path)).toEqual([]);
});

test('a volume has the fields that a manifest in a cluster has, and no others', () => {
  const fault = whyRefusedByUs('Volume', { metadata: { name: 'a' }, spec: { other: 1 } });
  const known = fault?.replace(/.*expected one of /, '').split(', ');
  expect(Object.keys(VOLUME.spec.properties ?? {}).sort()).toEqual(known?.sort());
  const rule = whyRefusedByUs('Rule', { metadata: { name: 'a' }, spec: { other: 1 } });
  const fields = rule?.replace(/.*expected one of /, '').split(', ');
  expect(Object.keys(RULE.spec.properties ?? {}).sort()).toEqual(fields?.sort());
});

test('the limits of the schemas are those of the code', () => {
  const volume = VOLUME.spec.properties ?? {};
  expect(volume.size).toMatchObject({
    pattern: SIZE.source,
    maximum: MAX_VOLUME_BYTES / 1024 ** 3,
  });
  expect(volume.replicas).toMatchObject({ minimum: 0, maximum: MAX_REPLICAS });
  expect(volume.failureTolerance).toMatchObject({ minimum: 0, maximum: MAX_REPLICAS - 1 });
  expect(volume.failureMode?.enum).toEqual(FAILURE_MODES);
  expect(volume.initiators?.maxItems).toBe(MAX_INITIATORS);
  const name = { pattern: KUBE_NAME.source, maxLength: MAX_KUBE_NAME_CHARS };
  expect(volume.chapSecretRef?.properties?.name).toMatchObject(name);
  expect(volume.placement?.properties?.preferredNode).toMatchObject(name);
  const labels = {
    maxProperties: MAX_LABELS,
    additionalProperties: { maxLength: MAX_LABEL_VALUE_CHARS },
  };
  expect(volume.defaults).toMatchObject(labels);
  const rule = RULE.spec.properties ?? {};
  expect(rule.labels).toMatchObject(labels);
  expect(rule.selector?.maxLength).toBe(MAX_SELECTOR_CHARS);
  expect(rule.action?.enum).toEqual(RULE_ACTIONS);
  expect(rule.weight).toMatchObject({ minimum: 0, maximum: MAX_WEIGHT });
  for (const { schema } of [VOLUME, RULE]) {
    const name = schema.properties?.metadata?.properties?.name;
    expect(name).toMatchObject({ pattern: DNS_LABEL.source, maxLength: 63 });
  }
});

test('people see a table, and kubectl scale knows where the replicas are', () => {
  const columns = (VOLUME.version.additionalPrinterColumns ?? []) as { name: string }[];
  expect(columns.map(({ name }) => name).slice(0, 6)).toEqual([
    ...['Size', 'Replicas', 'In-sync', 'Health', 'Portal', 'Age'],
  ]);
  expect(VOLUME.version.subresources).toEqual({
    status: {},
    scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
  });
});

const A = 'iqn.2026-11.com.example:a';
const LABELS = { 'keelson.io/replicas': '1' };

function volume(spec: unknown, name = 'a') {
  return { metadata: { name }, spec };
}

test.each<[object]>([
  [volume({})],
  [{ metadata: { name: 'a'.repeat(63) } }],
  [volume({ size: '1.5Ti', replicas: 5, failureMode: 'alwayson', failureTolerance: 4 })],
  [volume({ size: 15 })],
  [volume({ size: '15', initiators: [A, 'IQN.2026-11.com.example:B'], sanitize: 'allow' })],
  [volume({ initiators: ['eui.0123456789abcdef', 'naa.0123456789ABCDEF0123456789abcdef'] })],
  [volume({ initiators: ['iqn.2026-11.de.beispiel:größe_1'] })],
  [volume({ chapSecretRef: { name: 'chap.of-a' }, placement: {}, defaults: {} })],
  [volume({ placement: { preferredNode: 'node-1.example' }, defaults: LABELS })],
])('server and orchestrator take the volume %j', (document) => {
  expect(whyRefusedByServer(VOLUME, document)).toBeUndefined();
  expect(whyRefusedByUs('Volume', document)).toBeUndefined();
});

test.each<[object, string]>([
  [volume({}, 'Data'), 'metadata/name'],
  [volume({}, 'a'.repeat(64)), 'metadata/name'],
  [volume({ size: '5Q' }), 'spec/size'],
  [volume({ size: -1 }), 'spec/size'],
  [volume({ size: 65_537 }), 'spec/size'],
  [volume({ size: true }), 'spec/size'],
  [volume({ replicas: 6 }), 'spec/replicas'],
  [volume({ replicas: -1 }), 'spec/replicas'],
  [volume({ replicas: '2' }), 'spec/replicas'],
  [volume({ failureMode: 'fast' }), 'spec/failureMode'],
  [volume({ failureTolerance: 5 }), 'spec/failureTolerance'],
  [volume({ initiators: [] }), 'spec/initiators'],
  [volume({ initiators: A }), 'spec/initiators'],
  [volume({ initiators: ['host1'] }), 'spec/initiators/0'],
  [volume({ initiators: ['iqn.2026-13.com.example:a'] }), 'spec/initiators/0'],
  [volume({ initiators: Array.from({ length: 129 }, (_, i) => `${A}${i}`) }), 'spec/initiators'],
  [volume({ sanitize: true }), 'spec/sanitize'],
  [volume({ sanitize: 'maybe' }), 'spec/sanitize'],
  [volume({ chapSecretRef: {} }), 'spec/chapSecretRef'],
  [volume({ chapSecretRef: { name: '' } }), 'spec/chapSecretRef/name'],
  [volume({ chapSecretRef: { name: 'a/b' } }), 'spec/chapSecretRef/name'],
  [volume({ chapSecretRef: 'chap' }), 'spec/chapSecretRef'],
  [volume({ placement: { preferredNode: 'Node 1' } }), 'spec/placement/preferredNode'],
  [volume({ placement: { preferredNode: '' } }), 'spec/placement/preferredNode'],
  [volume({ placement: 'n1' }), 'spec/placement'],
  [volume({ defaults: { 'keelson.io/replicas': 1 } }), 'spec/defaults/keelson.io~1replicas'],
  [volume({ defaults: [] }), 'spec/defaults'],
  [volume([]), 'spec'],
])('server and orchestrator refuse the volume %j at %s', (document, field) => {
  expect(whyRefusedByServer(VOLUME, document)).toContain(`data/${field} `);
  expect(whyRefusedByUs('Volume', document)).toBeDefined();
});

// What no schema of this kind can say ends as a condition of the object.
test.each<[object, RegExp]>([
  [volume({ size: '100Ki' }), /size "100Ki": expected 1MiB to 64TiB/],
  [volume({ size: '65Ti' }), /expected 1MiB to 64TiB/],
  [volume({ defaults: { env: 'prod' } }), /label env: decides nothing/],
  [volume({ defaults: { 'keelson.io/replicas': '9' } }), /from 0 to 5/],
  [
    { metadata: { name: 'a', labels: { 'keelson.io/replicas': '2' } }, spec: { replicas: 1 } },
    /spec.replicas: says 1, but the label keelson.io\/replicas says 2/,
  ],
])('only the orchestrator refuses the volume %j', (document, why) => {
  expect(whyRefusedByServer(VOLUME, document)).toBeUndefined();
  expect(whyRefusedByUs('Volume', document)).toMatch(why);
});

test('a file and an object of a cluster each say what the other one is to use for CHAP', () => {
  const document = (spec: object) => ({
    ...{ apiVersion: 'keelson.io/v1alpha1', kind: 'Volume', metadata: { name: 'a' }, spec },
  });
  expect(() => decodeManifest(document({ chapSecretRef: { name: 'c' } }))).toThrow(
    'spec.chapSecretRef: a Secret of a cluster, which a file cannot name; give chapSecretFile',
  );
  const file = document({ chapSecretFile: 'a.chap' });
  expect(() => decodeManifest(file, undefined, 'cluster')).toThrow(
    /^spec.chapSecretFile: a file beside the manifest, which a cluster cannot read; make a Secret/,
  );
  const ref = {
    chapSecretRef: { name: 'c' },
    placement: { preferredNode: 'n1' },
    defaults: LABELS,
  };
  expect(decodeManifest(document(ref), undefined, 'cluster')).toMatchObject({
    chapSecretRef: 'c',
    preferredNode: 'n1',
    defaults: LABELS,
  });
});

test.each<[object]>([
  [{ labels: LABELS }],
  [{ selector: 'env=prod,!tier', action: 'add', labels: LABELS, weight: 1000 }],
])('server and orchestrator take the rule %j', (spec) => {
  expect(whyRefusedByServer(RULE, volume(spec))).toBeUndefined();
  expect(whyRefusedByUs('Rule', volume(spec))).toBeUndefined();
});

test.each<[unknown, string]>([
  [{}, 'spec'],
  [{ labels: {} }, 'spec/labels'],
  [{ labels: { 'keelson.io/replicas': 1 } }, 'spec/labels/keelson.io~1replicas'],
  [{ labels: LABELS, action: 'drop' }, 'spec/action'],
  [{ labels: LABELS, weight: 1001 }, 'spec/weight'],
  [{ labels: LABELS, weight: 0.5 }, 'spec/weight'],
  [{ labels: LABELS, selector: {} }, 'spec/selector'],
  [{ labels: LABELS, selector: 'a'.repeat(4097) }, 'spec/selector'],
])('server and orchestrator refuse the rule %j at %s', (spec, field) => {
  expect(whyRefusedByServer(RULE, volume(spec))).toContain(`data/${field} `);
  expect(whyRefusedByUs('Rule', volume(spec))).toBeDefined();
});
