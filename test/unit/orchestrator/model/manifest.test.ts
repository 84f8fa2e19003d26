import { decodeManifest, ManifestFault } from '../../../../orchestrator/model/manifest.ts';

const API = { apiVersion: 'keelson.io/v1alpha1' };

function volume(spec: unknown, metadata: object = {}) {
  return { ...API, kind: 'Volume', metadata: { name: 'data', ...metadata }, spec };
}

function rule(spec: unknown, metadata: object = {}) {
  return { ...API, kind: 'Rule', metadata: { name: 'two', ...metadata }, spec };
}

test('a volume with a name alone is one of the default namespace', () => {
  expect(decodeManifest({ ...API, kind: 'Volume', metadata: { name: 'data' } })).toEqual({
    ...{ kind: 'Volume', namespace: 'default', name: 'data', labels: {} },
  });
  expect(decodeManifest(volume(null, { labels: null }), 'team')).toMatchObject({
    namespace: 'team',
    labels: {},
  });
  expect(decodeManifest(volume({}, { namespace: 'mine' }), 'team')).toMatchObject({
    namespace: 'mine',
  });
});

test('N7 every field of the spec that decides something stands for a label', () => {
  const spec = {
    ...{ size: '10Gi', replicas: 2, failureMode: 'soft', failureTolerance: 1, sanitize: 'allow' },
    ...{ initiators: ['iqn.2026-11.com.example:a', 'iqn.2026-11.com.example:b'] },
    chapSecretFile: 'data.chap',
  };
  expect(decodeManifest(volume(spec, { labels: { env: 'prod' } }))).toEqual({
    ...{ kind: 'Volume', namespace: 'default', name: 'data', size: '10Gi' },
    labels: {
      env: 'prod',
      'keelson.io/replicas': '2',
      'keelson.io/failure-mode': 'soft',
      'keelson.io/failure-tolerance': '1',
      'keelson.io/initiators': 'iqn.2026-11.com.example:a,iqn.2026-11.com.example:b',
      'keelson.io/sanitize': 'allow',
    },
    chapSecretFile: 'data.chap',
  });
});

test('N7 a label that says the same as the spec stays under its own name, alone', () => {
  const labels = {
    'storageos.com/replicas': '2',
    'keelson.io/initiators': 'IQN.2026-11.com.example:A',
  };
  const spec = { replicas: 2, initiators: ['iqn.2026-11.com.example:a'] };
  expect(decodeManifest(volume(spec, { labels }))).toMatchObject({ labels });
});

test('N8 a bare number is GiB in a file as well', () => {
  expect(decodeManifest(volume({ size: 15 }))).toMatchObject({ size: '15' });
  expect(decodeManifest(volume({ size: '500M' }))).toMatchObject({ size: '500M' });
});

test('N10 a rule is read as the API takes it, with what may be left out', () => {
  const labels = { 'storageos.com/replicas': '2' };
  expect(decodeManifest(rule({ selector: 'env=prod, !old', labels, weight: 7 }))).toEqual({
    kind: 'Rule',
    rule: {
      ...{ namespace: 'default', name: 'two', selector: 'env==prod,!old', action: 'add' },
      ...{ labels, weight: 7 },
    },
  });
  expect(decodeManifest(rule({ labels }))).toMatchObject({ rule: { selector: '', weight: 0 } });
});

const A = 'iqn.2026-11.com.example:a';
const TWO = { 'keelson.io/replicas': '2' };

test.each<[unknown, string, RegExp]>([
  [[], '', /^document: expected an object/],
  ['text', '', /^document: expected an object/],
  [
    { ...volume({}), status: {} },
    'status',
    /^status: not a known field; expected one of apiVersion/,
  ],
  [
    { ...volume({}), apiVersion: 'v1' },
    'apiVersion',
    /expected one of keelson.io\/v1alpha1, got "v1"/,
  ],
  [{ ...volume({}), kind: 'Disk' }, 'kind', /^kind: expected one of Volume, Rule, got "Disk"/],
  [{ ...volume({}), metadata: 5 }, 'metadata', /^metadata: expected an object, got 5/],
  [{ ...volume({}), metadata: {} }, 'metadata.name', /^metadata.name: expected a string .*nothing/],
  [volume({}, { name: 'Data' }), 'metadata.name', /^metadata.name "Data": expected/],
  [volume({}, { namespace: '../x' }), 'metadata.namespace', /^metadata.namespace "..\/x"/],
  [
    volume({}, { annotations: {} }),
    'metadata.annotations',
    /^metadata.annotations: not a known field/,
  ],
  [
    volume({ replica: 2 }),
    'spec.replica',
    /^spec.replica: not a known field; expected one of size, rep/,
  ],
  [volume({ selector: '' }), 'spec.selector', /^spec.selector: not a known field/],
  [volume([]), 'spec', /^spec: expected an object/],
  [volume({ size: '5Q' }), 'spec.size', /^size "5Q": expected/],
  [volume({ size: true }), 'spec.size', /^spec.size: expected a string/],
  [volume({ size: -1 }), 'spec.size', /^size "-1"/],
  [
    volume({ replicas: 6 }),
    'spec.replicas',
    /^spec.replicas: expected a whole number from 0 to 5, got 6/,
  ],
  [
    volume({ replicas: '2' }),
    'spec.replicas',
    /^spec.replicas: expected a whole number .* got "2"/,
  ],
  [
    volume({ replicas: null }),
    'spec.replicas',
    /^spec.replicas: expected a whole number .* got null/,
  ],
  [volume({ failureTolerance: 5 }), 'spec.failureTolerance', /from 0 to 4, got 5/],
  [volume({ failureMode: 'fast' }), 'spec.failureMode', /^spec.failureMode: expected one of/],
  [volume({ sanitize: true }), 'spec.sanitize', /^spec.sanitize: expected one of allow, refuse/],
  [volume({ initiators: [] }), 'spec.initiators', /initiators: expected 1 to \d+ names/],
  [volume({ initiators: [A, 'host1'] }), 'spec.initiators', /expected iSCSI names/],
  [volume({ initiators: A }), 'spec.initiators', /^spec.initiators: expected a list/],
  [
    volume({ chapSecretFile: '' }),
    'spec.chapSecretFile',
    /^spec.chapSecretFile: expected a string/,
  ],
  [
    volume({}, { labels: { env: 2 } }),
    'metadata.labels.env',
    /label env: expected a string, got 2; put it/,
  ],
  [volume({}, { labels: { 'a b': '' } }), 'metadata.labels.a b', /label "a b": expected letters/],
  [volume({}, { labels: [] }), 'metadata.labels', /^metadata.labels: expected an object/],
  [
    volume({}, { labels: { 'keelson.io/replica': '2' } }),
    'metadata.labels.keelson.io/replica',
    /label keelson.io\/replica: not known/,
  ],
  [
    volume({}, { labels: { ...TWO, 'storageos.com/replicas': '3' } }),
    'metadata.labels',
    /keelson.io\/replicas=2 and storageos.com\/replicas=3 disagree/,
  ],
  [
    volume({ replicas: 3 }, { labels: TWO }),
    'spec.replicas',
    /^spec.replicas: says 3, but the label keelson.io\/replicas says 2; give only one of them$/,
  ],
  [rule({ labels: {} }), 'spec.labels', /labels: expected at least one/],
  [rule({}), 'spec.labels', /labels: expected at least one/],
  [rule({ labels: { env: 'prod' } }), 'spec.labels', /label env: decides nothing/],
  [
    rule({ labels: { ...TWO, 'keelson.io/replicas': '9' } }),
    'spec.labels.keelson.io/replicas',
    /from 0 to 5/,
  ],
  [rule({ labels: TWO, selector: 'a b' }), 'spec.selector', /^selector: expected LABEL==VALUE/],
  [rule({ labels: TWO, selector: {} }), 'spec.selector', /^spec.selector: expected a string/],
  [rule({ labels: TWO, action: 'drop' }), 'spec.action', /^spec.action: expected one of add/],
  [
    rule({ labels: TWO, weight: 1001 }),
    'spec.weight',
    /^spec.weight: expected .* from 0 to 1000, got 1001/,
  ],
  [rule({ labels: TWO, replicas: 1 }), 'spec.replicas', /^spec.replicas: not a known field/],
  [rule({ labels: TWO }, { labels: {} }), 'metadata.labels', /^metadata.labels: not a known field/],
])('the document %j is refused at %j', (document, path, message) => {
  let fault: unknown;
  try {
    decodeManifest(document);
  } catch (error) {
    fault = error;
  }
  expect(fault).toBeInstanceOf(ManifestFault);
  expect(fault).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(message),
  });
  expect((fault as ManifestFault).path.join('.')).toBe(path);
});
