import type { Secret, VolumeObject } from '../../../../orchestrator/kubernetes/objects.ts';
import { PODS, SECRETS, VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';
import { FakeKube, mergePatch } from '../support/fake-kube.ts';

const NAME = { namespace: 'team', name: 'data' };

function volume(more: Partial<VolumeObject['metadata']> = {}): VolumeObject {
  return { metadata: { ...NAME, ...more }, spec: { size: '1Gi' } };
}

test('the API server in memory compares versions, and changes none for nothing', async () => {
  const client = new FakeKube().client();
  const first = await client.create(VOLUMES, volume());
  const second = await client.replace(VOLUMES, { ...first, spec: { size: '2Gi' } });
  expect(second.metadata).toMatchObject({ generation: 2, uid: first.metadata.uid });
  expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
  await expect(client.replace(VOLUMES, first)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await client.replace(VOLUMES, second)).toEqual(second);
  await expect(client.create(VOLUMES, volume())).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
});

test('the API server in memory changes a status through its own door alone', async () => {
  const client = new FakeKube().client();
  const made = await client.create(VOLUMES, { ...volume(), status: { health: 'made up' } });
  expect(made.status).toBeUndefined();
  const told = await client.patch(
    VOLUMES,
    NAME,
    { spec: { size: '9Gi' }, status: { health: 'healthy', old: null } },
    'status',
  );
  expect(told).toMatchObject({ spec: { size: '1Gi' }, status: { health: 'healthy' } });
  expect(told.metadata.generation).toBe(1);
  const grown = await client.patch(VOLUMES, NAME, { spec: { size: '2Gi' }, status: null });
  expect(grown).toMatchObject({ spec: { size: '2Gi' }, status: { health: 'healthy' } });
});

test('the API server in memory keeps what has a finalizer, and removes what it is asked to', async () => {
  const client = new FakeKube().client();
  const held = await client.create(VOLUMES, volume({ finalizers: ['keelson.io/data'] }));
  await client.remove(VOLUMES, NAME);
  const leaving = await client.get(VOLUMES, NAME);
  expect(leaving?.metadata.deletionTimestamp).toBeDefined();
  const more = { metadata: { finalizers: ['keelson.io/data', 'other'] } };
  await expect(client.patch(VOLUMES, NAME, more)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await client.patch(VOLUMES, NAME, { metadata: { finalizers: null } });
  expect(await client.get(VOLUMES, NAME)).toBeUndefined();
  const next = await client.create(VOLUMES, volume());
  expect(next.metadata.uid).not.toBe(held.metadata.uid);
  const old = { uid: held.metadata.uid ?? '' };
  await expect(client.remove(VOLUMES, NAME, old)).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('the API server in memory lets a pod end, where there are kubelets', async () => {
  const kube = new FakeKube();
  kube.hasKubelets = true;
  const client = kube.client();
  await client.create(PODS, { metadata: NAME });
  await client.remove(PODS, NAME);
  await client.patch(PODS, NAME, { status: { phase: 'Succeeded' } }, 'status');
  expect((await client.get(PODS, NAME))?.metadata.deletionTimestamp).toBeDefined();
  await client.remove(PODS, NAME, { graceSeconds: 0 });
  expect(await client.get(PODS, NAME)).toBeUndefined();
});

test('a client of it sees changes a moment later, never an older object, and fails as planned', async () => {
  const kube = new FakeKube();
  const client = kube.client();
  const made = await kube.client().create(SECRETS, secret('one'));
  const informer = client.inform(SECRETS, { namespace: 'team' });
  await informer.ready;
  expect(informer.get(NAME)).toEqual(made);
  client.hold(true);
  const changed = await client.replace(SECRETS, { ...made, ...secret('two') });
  expect(informer.get(NAME)).toEqual(made);
  informer.note(changed);
  client.hold(false);
  await Promise.resolve();
  expect(informer.get(NAME)).toEqual(changed);
  client.plan = (_call, number) => (number === 2 ? 'after' : undefined);
  await expect(client.remove(SECRETS, NAME)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await Promise.resolve();
  expect(informer.get(NAME)).toBeUndefined();
  expect(client.calls).toEqual(['replace secrets team/data', 'remove secrets team/data']);
});

test('a merge patch takes away what is null, and puts lists in the place of lists', () => {
  const target = { a: { b: 1, c: [1, 2] }, d: 4 };
  expect(mergePatch(target, { a: { b: null, c: [3] }, e: { f: null } })).toEqual({
    a: { c: [3] },
    d: 4,
    e: {},
  });
});

function secret(text: string): Secret {
  return { metadata: NAME, data: { secret: Buffer.from(text).toString('base64') } };
}
