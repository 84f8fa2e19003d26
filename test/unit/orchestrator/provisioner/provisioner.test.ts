import {
  CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUMES,
} from '../../../../orchestrator/kubernetes/resources.ts';
import type { Provisioner } from '../../../../orchestrator/provisioner/provisioner-options.ts';
import { Cluster } from './support/cluster.ts';
import { claim, NAMESPACE, storageClass } from './support/objects.ts';

const running = new Set<Provisioner>();
afterEach(async () => {
  for (const provisioner of running) await provisioner.close();
  running.clear();
});

function start(cluster: Cluster): Provisioner {
  const provisioner = cluster.start();
  running.add(provisioner);
  return provisioner;
}

test('a claim is bound to a PersistentVolume of a Volume of its own', async () => {
  const cluster = new Cluster();
  const { metadata } = cluster.makeClaim({}, { labels: { env: 'prod' } });
  start(cluster);
  await cluster.rest();
  const name = `pvc-${metadata.uid}`;
  expect(cluster.volume).toMatchObject({
    metadata: { namespace: NAMESPACE, name, labels: { env: 'prod' } },
    spec: { size: '1Gi', defaults: { 'keelson.io/replicas': '2' } },
  });
  expect(cluster.persistentVolume).toMatchObject({
    ...{ metadata: { name }, status: { phase: 'Bound' } },
    spec: { claimRef: { namespace: NAMESPACE, name: 'data', uid: metadata.uid } },
  });
  expect(cluster.claim?.status?.phase).toBe('Bound');
  await cluster.whenTold('ProvisioningSucceeded');
  expect(cluster.reasons).toEqual(['Provisioning', 'ProvisioningSucceeded']);
});

test('a claim that is made later wakes it, and one that goes takes everything along', async () => {
  const cluster = new Cluster();
  start(cluster);
  await cluster.rest();
  cluster.makeClaim();
  await cluster.rest();
  expect(cluster.claim?.status?.phase).toBe('Bound');
  cluster.deleteClaim();
  await cluster.rest();
  expect([cluster.volume, cluster.persistentVolume]).toEqual([undefined, undefined]);
});

test('what is retained stays, and the Volume even when its PersistentVolume is deleted', async () => {
  const cluster = new Cluster({ reclaimPolicy: 'Retain' });
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  cluster.deleteClaim();
  await cluster.rest();
  expect(cluster.persistentVolume?.status?.phase).toBe('Released');
  cluster.kube.remove(PERSISTENT_VOLUMES, { name: cluster.persistentVolume?.metadata.name ?? '' });
  await cluster.rest();
  expect(cluster.persistentVolume).toBeUndefined();
  expect(cluster.volume?.metadata.deletionTimestamp).toBeUndefined();
  expect(cluster.volume).toBeDefined();
});

test('a Volume is not deleted while a PersistentVolume stands for it, whoever deletes its namespace', async () => {
  const cluster = new Cluster({ reclaimPolicy: 'Retain' });
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  cluster.kube.remove(VOLUMES, cluster.volume?.metadata ?? { name: '' });
  cluster.deleteClaim();
  await cluster.rest();
  expect(cluster.volume?.metadata.deletionTimestamp).toBeDefined();
  cluster.kube.remove(PERSISTENT_VOLUMES, { name: cluster.persistentVolume?.metadata.name ?? '' });
  await cluster.rest();
  expect([cluster.volume, cluster.persistentVolume]).toEqual([undefined, undefined]);
});

test('a claim that is deleted before its Volume was accepted leaves nothing', async () => {
  const cluster = new Cluster();
  cluster.refusal = 'no room on three nodes';
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  expect(cluster.volume).toBeDefined();
  expect(cluster.persistentVolume).toBeUndefined();
  await cluster.whenTold('ProvisioningFailed');
  cluster.deleteClaim();
  await cluster.rest();
  expect(cluster.volume).toBeUndefined();
});

test('a Volume that was refused is given away once it is accepted', async () => {
  const cluster = new Cluster();
  cluster.refusal = 'no room on three nodes';
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  cluster.refusal = undefined;
  cluster.kube.put(STORAGE_CLASSES, storageClass({ metadata: { name: 'another' } }));
  await cluster.rest();
  expect(cluster.claim?.status?.phase).toBe('Bound');
});

test('a wrong class is told, and a class in its place counts at once', async () => {
  const cluster = new Cluster({ parameters: { replica: '2' } });
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  expect(cluster.volume).toBeUndefined();
  expect(cluster.reasons).toEqual(['ProvisioningFailed']);
  cluster.kube.put(STORAGE_CLASSES, storageClass({ parameters: { replicas: '1' } }));
  await cluster.rest();
  expect(cluster.volume?.spec).toMatchObject({ defaults: { 'keelson.io/replicas': '1' } });
  expect(cluster.claim?.status?.phase).toBe('Bound');
});

test('the scheduler chooses the node of a Volume that waits for its first consumer', async () => {
  const cluster = new Cluster({ volumeBindingMode: 'WaitForFirstConsumer' });
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  expect(cluster.volume).toBeUndefined();
  cluster.changeClaim(({ metadata, ...rest }) => {
    const selected = { 'volume.kubernetes.io/selected-node': 'n2' };
    return {
      ...rest,
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...selected } },
    };
  });
  await cluster.rest();
  expect(cluster.volume?.spec).toMatchObject({ placement: { preferredNode: 'n2' } });
});

test('a claim that asks for more grows, and says what is left to do', async () => {
  const cluster = new Cluster();
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  cluster.changeClaim((before) => ({ ...before, spec: { ...before.spec, ...sized('3Gi') } }));
  await cluster.rest();
  expect(cluster.volume?.spec).toMatchObject({ size: '3Gi' });
  expect(cluster.persistentVolume?.spec?.capacity).toEqual({ storage: '3Gi' });
  expect(cluster.claim?.status).toMatchObject({
    capacity: { storage: '3Gi' },
    conditions: [
      { type: 'FileSystemResizePending', lastTransitionTime: '1970-01-01T00:00:00.000Z' },
    ],
  });
});

test('a retained PersistentVolume that was given to another claim grows and goes with that one', async () => {
  const cluster = new Cluster({ reclaimPolicy: 'Retain' });
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  cluster.deleteClaim();
  await cluster.rest();
  const pv = cluster.persistentVolume;
  const heir = cluster.kube.put(CLAIMS, {
    metadata: { namespace: 'another-team', name: 'heir' },
    spec: { storageClassName: 'fast', volumeName: pv?.metadata.name ?? '', ...sized('2Gi') },
    status: { phase: 'Bound', capacity: { storage: '1Gi' } },
  });
  const { namespace = '', name, uid = '' } = heir.metadata;
  cluster.kube.put(PERSISTENT_VOLUMES, {
    metadata: pv?.metadata ?? { name: '' },
    spec: {
      ...{ ...pv?.spec, claimRef: { namespace, name, uid } },
      persistentVolumeReclaimPolicy: 'Delete',
    },
    status: { phase: 'Bound' },
  });
  await cluster.rest();
  expect(cluster.persistentVolume?.spec?.capacity).toEqual({ storage: '2Gi' });
  expect(cluster.kube.get(CLAIMS, heir.metadata)?.status?.capacity).toEqual({ storage: '2Gi' });
  cluster.kube.remove(CLAIMS, heir.metadata);
  await cluster.rest();
  expect([cluster.volume, cluster.persistentVolume]).toEqual([undefined, undefined]);
});

test('a claim of another provisioner is not touched', async () => {
  const cluster = new Cluster({ provisioner: 'other.io' });
  const annotations = { 'volume.kubernetes.io/storage-provisioner': 'other.io' };
  cluster.makeClaim({}, { annotations });
  const client = cluster.kube.client();
  running.add(cluster.start(client));
  await cluster.rest();
  expect(client.calls).toEqual([]);
});

test('nothing is asked of the server while nothing changes', async () => {
  const cluster = new Cluster();
  cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  const client = cluster.kube.client();
  running.add(cluster.start(client));
  await cluster.rest();
  expect([...client.calls, ...client.reads]).toEqual([]);
});

test('nothing is deleted that only an old view of the cluster says is over', async () => {
  const cluster = new Cluster();
  const { metadata } = cluster.makeClaim();
  const late = cluster.kube.client();
  cluster.kube.put(VOLUMES, {
    metadata: {
      ...{ namespace: NAMESPACE, name: `pvc-${metadata.uid}` },
      annotations: { 'keelson.io/claim': 'data', 'keelson.io/claim-uid': metadata.uid ?? '' },
    },
    spec: { size: '1Gi', defaults: { 'keelson.io/replicas': '2' } },
  });
  const informer = late.inform.bind(late);
  // A view in which the claim is not there yet.
  late.inform = ((resource, query) => {
    const real = informer(resource, query);
    if (resource.plural !== CLAIMS.plural) return real;
    return {
      ...real,
      ready: real.ready,
      get: () => undefined,
      all: () => [],
      subscribe: () => undefined,
      close: () => real.close(),
    };
  }) as typeof late.inform;
  running.add(cluster.start(late));
  await cluster.rest();
  expect(late.reads).toContain(`get persistentvolumeclaims ${NAMESPACE}/data`);
  expect(late.calls).toEqual([]);
  expect(cluster.volume).toBeDefined();
});

const LIFE: readonly [string, (cluster: Cluster) => void, (cluster: Cluster) => void][] = [
  [
    'made',
    (cluster) => void cluster.makeClaim(),
    (cluster) => {
      expect(cluster.claim?.status?.phase).toBe('Bound');
      expect(cluster.kube.list(VOLUMES)).toHaveLength(1);
    },
  ],
  [
    'grown',
    (cluster) =>
      cluster.changeClaim((before) => ({ ...before, spec: { ...before.spec, ...sized('2Gi') } })),
    (cluster) => {
      expect(cluster.persistentVolume?.spec?.capacity).toEqual({ storage: '2Gi' });
      expect(cluster.claim?.status).toMatchObject({
        capacity: { storage: '2Gi' },
        conditions: [{ type: 'FileSystemResizePending' }],
      });
    },
  ],
  [
    'deleted',
    (cluster) => cluster.deleteClaim(),
    (cluster) => {
      expect([cluster.volume, cluster.persistentVolume]).toEqual([undefined, undefined]);
    },
  ],
];

/** More calls than a claim takes from its first to its last. */
const MAX_CALLS = 30;

describe.each(['before', 'after'] as const)('a provisioner that ends %s a call', (when) => {
  test('leaves a claim that another one makes, grows and deletes as if nothing had been', async () => {
    let isWhole = false;
    for (let last = 1; !isWhole; last += 1) {
      expect(last).toBeLessThan(MAX_CALLS);
      const cluster = new Cluster();
      let made = 0;
      let current = cluster.start(dying());
      for (const [, act, check] of LIFE) {
        act(cluster);
        await cluster.rest();
        if (isDead()) {
          await current.close();
          current = cluster.start();
          await cluster.rest();
        }
        check(cluster);
      }
      await current.close();
      isWhole = made < last;

      function dying() {
        const client = cluster.kube.client();
        client.plan = (call) => {
          if (call.startsWith('create events') || call.startsWith('patch events')) return undefined;
          made += 1;
          return made >= last ? (made === last ? when : 'before') : undefined;
        };
        return client;
      }
      function isDead(): boolean {
        return made >= last;
      }
    }
  });
});

function sized(storage: string) {
  return { resources: { requests: { storage } } };
}

test('two claims of one name, one after the other, have nothing to do with each other', async () => {
  const cluster = new Cluster({ reclaimPolicy: 'Retain' });
  const first = cluster.makeClaim();
  start(cluster);
  await cluster.rest();
  cluster.deleteClaim();
  await cluster.rest();
  const second = cluster.kube.put(CLAIMS, claim());
  await cluster.rest();
  expect(second.metadata.uid).not.toBe(first.metadata.uid);
  expect(cluster.claim?.spec?.volumeName).toBe(`pvc-${second.metadata.uid}`);
  expect(cluster.kube.list(VOLUMES)).toHaveLength(2);
});
