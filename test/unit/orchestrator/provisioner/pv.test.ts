import { makeVolume } from '../../../../orchestrator/provisioner/core/make-volume.ts';
import { makePersistentVolume } from '../../../../orchestrator/provisioner/core/pv.ts';
import {
  ADDRESS,
  accepted,
  claim,
  GIB,
  ID,
  NAMESPACE,
  PORTAL,
  PROVISIONER,
  storageClass,
  UID,
} from './support/objects.ts';

const PARTS = {
  ...{ claim: claim(), storageClass: storageClass(), volume: accepted(), id: ID, portal: PORTAL },
  ...{ servedBytes: GIB, provisionerName: PROVISIONER },
};

test('a PersistentVolume says all that a node needs, and is bound beforehand', () => {
  expect(makePersistentVolume(PARTS)).toEqual({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: ADDRESS.name,
      labels: {
        'app.kubernetes.io/name': 'keelson',
        'app.kubernetes.io/managed-by': 'keelson',
        'keelson.io/volume-id': ID,
        'keelson.io/volume': ADDRESS.name,
        'keelson.io/volume-namespace': NAMESPACE,
      },
      annotations: { 'pv.kubernetes.io/provisioned-by': PROVISIONER },
      finalizers: ['keelson.io/persistent-volume'],
    },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      volumeMode: 'Filesystem',
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName: 'fast',
      claimRef: {
        ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
        ...{ namespace: NAMESPACE, name: 'data', uid: UID },
      },
      iscsi: {
        targetPortal: PORTAL,
        iqn: `iqn.2026-11.io.keelson:${NAMESPACE}.${ADDRESS.name}`,
        lun: 0,
        readOnly: false,
        fsType: 'ext4',
      },
    },
  });
});

test('a PersistentVolume takes policy, options and file system from its class', () => {
  const given = storageClass({
    ...{ reclaimPolicy: 'Retain', mountOptions: ['discard', 'noatime'] },
    parameters: { fsType: 'xfs' },
  });
  const { spec } = makePersistentVolume({ ...PARTS, storageClass: given });
  expect(spec).toMatchObject({
    ...{ persistentVolumeReclaimPolicy: 'Retain', mountOptions: ['discard', 'noatime'] },
    iscsi: { fsType: 'xfs' },
  });
});

test('a PersistentVolume of a disk without a file system names none', () => {
  const { spec } = makePersistentVolume({ ...PARTS, claim: claim({ volumeMode: 'Block' }) });
  expect(spec?.volumeMode).toBe('Block');
  expect(spec?.iscsi).not.toHaveProperty('fsType');
});

test('a PersistentVolume names the secret in the namespace of the claim, for discovery as well', () => {
  const volume = { ...accepted(), spec: { chapSecretRef: { name: 'chap' } } };
  expect(makePersistentVolume({ ...PARTS, volume }).spec?.iscsi).toMatchObject({
    ...{ chapAuthDiscovery: true, chapAuthSession: true },
    secretRef: { name: 'chap', namespace: NAMESPACE },
  });
});

test('a PersistentVolume has the size that the volume really has', () => {
  const { spec } = makePersistentVolume({ ...PARTS, servedBytes: GIB + 4096 });
  expect(spec?.capacity).toEqual({ storage: '1048580Ki' });
});

test('a Volume has the labels of its claim, and the class as its defaults', () => {
  const labels = { env: 'prod', 'storageos.com/replicas': '1' };
  const annotations = { 'volume.kubernetes.io/selected-node': 'n2' };
  const asked = claim({ resources: { requests: { storage: '500M' } } }, { labels, annotations });
  const parameters = { failureMode: 'hard', chapSecretName: 'chap' };
  expect(makeVolume(asked, storageClass({ parameters }))).toEqual({
    apiVersion: 'keelson.io/v1alpha1',
    kind: 'Volume',
    metadata: {
      ...ADDRESS,
      labels,
      annotations: { 'keelson.io/claim': 'data', 'keelson.io/claim-uid': UID },
    },
    spec: {
      size: '488284Ki',
      defaults: { 'keelson.io/failure-mode': 'hard' },
      chapSecretRef: { name: 'chap' },
      placement: { preferredNode: 'n2' },
    },
  });
});

test.each<[string, Parameters<typeof claim>, RegExp]>([
  [
    'too small',
    [{ resources: { requests: { storage: '1000Ki' } } }],
    /expected 1MiB to 64TiB, got 1000Ki/,
  ],
  [
    'too large',
    [{ resources: { requests: { storage: '65Ti' } } }],
    /expected 1MiB to 64TiB, got 65Ti/,
  ],
  ['of no size', [{ resources: {} }], /expected 1MiB to 64TiB, got nothing/],
  [
    'for several nodes',
    [{ accessModes: ['ReadWriteOnce', 'ReadWriteMany'] }],
    /expected ReadWriteOnce, got ReadWriteMany/,
  ],
  ['for readers', [{ accessModes: ['ReadOnlyMany'] }], /expected ReadWriteOnce, got ReadOnlyMany/],
  [
    'for one pod',
    [{ accessModes: ['ReadWriteOncePod'] }],
    /expected ReadWriteOnce, got ReadWriteOncePod/,
  ],
  ['for nobody', [{ accessModes: [] }], /expected ReadWriteOnce, got nothing/],
  ['by labels', [{ selector: { matchLabels: {} } }], /selector/],
  ['of a snapshot', [{ dataSource: { name: 'x' } }], /dataSource/],
  ['of somebody’s data', [{ dataSourceRef: { name: 'x' } }], /dataSource/],
  [
    'with a misspelt label',
    [{}, { labels: { 'keelson.io/replica': '2' } }],
    /keelson\.io\/replica: not known/,
  ],
  [
    'with a wrong label',
    [{}, { labels: { 'keelson.io/replicas': 'two' } }],
    /expected a whole number/,
  ],
])('a claim %s is refused', (_, asked, why) => {
  expect(() => makeVolume(claim(...asked), storageClass())).toThrow(why);
});

test('a class with a wrong parameter is named', () => {
  const wrong = storageClass({ parameters: { size: '1' } });
  expect(() => makeVolume(claim(), wrong)).toThrow(/^StorageClass fast: parameters: "size" is not/);
});
