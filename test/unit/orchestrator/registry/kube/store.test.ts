import type { VolumeObject } from '../../../../../orchestrator/kubernetes/objects.ts';
import { SECRETS, VOLUMES } from '../../../../../orchestrator/kubernetes/resources.ts';
import { volumeObjectName } from '../../../../../orchestrator/platforms/kubernetes/names.ts';
import type { FakeKube } from '../../support/fake-kube.ts';
import {
  admitAll,
  contentSecrets,
  type KubePod,
  makeCluster,
  NONE,
  openPod,
  request,
  SYSTEM,
  settle,
} from '../../support/kube-installation.ts';
import { claimed } from '../../support/records.ts';

const A = 'default/a';
const NAME = { namespace: 'default', name: 'a' };
const PLAIN = { labelsAdd: {}, labelsRemove: [] };
const CHAP = {
  ...{ users: [{ name: 'host', secret: 'twelve-bytes-1' }], mutual: null },
  allowsShortSecrets: false,
};

let kube: FakeKube;
let pod: KubePod;

beforeEach(async () => {
  kube = makeCluster();
  pod = await openPod(kube);
});

function takeover({ registry }: KubePod, instanceId: string) {
  return registry.changeMembership(A, claimed(registry.require(A).membership, instanceId));
}

function recordIn(object: VolumeObject | undefined): Record<string, unknown> {
  return object?.status?.record as Record<string, unknown>;
}

describe('a volume', () => {
  test('is an object with a record, which has none of its secrets', async () => {
    const labels = { env: 'prod', 'storageos.com/replicas': '1' };
    const defaults = { 'keelson.io/failure-mode': 'hard' };
    const record = await pod.registry.create(request('a', { labels, defaults, chap: CHAP }), NONE);
    const object = kube.get(VOLUMES, NAME);
    expect(object).toMatchObject({
      metadata: { labels: { env: 'prod' }, finalizers: ['keelson.io/data'] },
      spec: { size: '1Gi', replicas: 1, defaults },
    });
    expect(JSON.stringify(object)).not.toMatch(new RegExp(`${record.secret}|twelve-bytes`));
    const name = { namespace: SYSTEM, name: volumeObjectName(record.spec) };
    const { data = {} } = kube.get(SECRETS, name) ?? {};
    expect(Buffer.from(data.secret ?? '', 'base64').toString()).toBe(record.secret);
    const chapKey = String(recordIn(object).chapKey);
    expect(Buffer.from(data[chapKey] ?? '', 'base64').toString()).toBe(JSON.stringify(CHAP));
    expect((await openPod(kube)).registry.get(A)).toEqual(record);
  });

  test('loses its old credentials once the record names the new ones', async () => {
    await pod.registry.create(request('a', { chap: CHAP }), NONE);
    const chap = { ...CHAP, users: [{ name: 'host', secret: 'twelve-bytes-2' }] };
    await pod.registry.update(A, { ...PLAIN, chap }, NONE);
    expect(contentSecrets(kube)).toEqual([expect.not.stringContaining('twelve-bytes-1')]);
    expect((await openPod(kube)).registry.get(A)?.chap).toEqual(chap);
    await pod.registry.update(A, { ...PLAIN, chap: null }, NONE);
    expect(contentSecrets(kube)).toEqual([expect.not.stringContaining('twelve')]);
    expect((await openPod(kube)).registry.get(A)?.chap).toBeNull();
  });

  test('that a namespace is missing for is not made, and says how to make that', async () => {
    pod.client.refuse = (call) =>
      call.startsWith('create volumes')
        ? { code: 'NOT_FOUND', message: 'namespaces not found' }
        : undefined;
    await expect(pod.registry.create(request('a'), NONE)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message:
        'create volume default/a: namespace default does not exist; run kubectl create namespace default',
    });
    expect(kube.list(SECRETS)).toEqual([]);
  });

  test('is gone with its Secret when it is removed, and stays for others that hold its object', async () => {
    await pod.registry.create(request('a'), NONE);
    kube.put(VOLUMES, {
      ...(kube.get(VOLUMES, NAME) as VolumeObject),
      metadata: { ...NAME, finalizers: ['keelson.io/data', 'example.com/other'] },
    });
    await settle();
    await pod.registry.markDeleting(A);
    await pod.registry.remove(A);
    expect(pod.registry.get(A)).toBeUndefined();
    expect(kube.list(SECRETS)).toEqual([]);
    expect(kube.get(VOLUMES, NAME)?.metadata.finalizers).toEqual(['example.com/other']);
    expect((await openPod(kube)).registry.list()).toEqual([]);
    await expect(pod.registry.create(request('a'), NONE)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('is being deleted'),
    });
  });

  test('keeps what its owner wrote and is not accepted yet, when something else is changed', async () => {
    await pod.registry.create(request('a', { labels: { env: 'prod' } }), NONE);
    await kube.client().patch(VOLUMES, NAME, {
      metadata: { labels: { env: null, 'storageos.com/replicas': '9' } },
      spec: { failureMode: 'alwayson' },
    });
    await settle();
    await pod.registry.update(A, { ...PLAIN, size: '3Gi' }, NONE);
    expect(kube.get(VOLUMES, NAME)).toMatchObject({
      metadata: { labels: { 'storageos.com/replicas': '9' } },
      spec: { size: '3Gi', failureMode: 'alwayson' },
    });
    // What says the same by another name goes, or the two would disagree.
    await pod.registry.update(A, { ...PLAIN, labelsAdd: { 'keelson.io/replicas': '2' } }, NONE);
    const object = kube.get(VOLUMES, NAME);
    expect(object?.metadata.labels).toEqual({});
    expect(object?.spec).toEqual({ size: '3Gi', failureMode: 'alwayson', replicas: 2 });
  });

  test('keeps the words of its owner, where they say what the record does', async () => {
    await pod.registry.create(request('a'), NONE);
    const labels = { 'storageos.com/replicas': '1' };
    const spec = { size: '2048Mi', initiators: ['IQN.2026-11.com.example:A'] };
    await kube.client().patch(VOLUMES, NAME, { metadata: { labels }, spec });
    await settle();
    pod.client.calls.splice(0);
    await admitAll(pod, kube);
    expect(pod.registry.require(A).spec).toMatchObject({
      ...{ sizeBytes: 2 * 1024 ** 3, replicas: 1, initiators: ['iqn.2026-11.com.example:a'] },
    });
    expect(pod.client.calls).toEqual(['replace volumes/status default/a']);
    expect(kube.get(VOLUMES, NAME)).toMatchObject({ metadata: { labels }, spec });
  });

  test('gets its first copy where it is preferred, if that is possible', async () => {
    const wish = (name: string, preferredNode: string) => request(name, { preferredNode });
    const nodeOf = async (name: string, preferred: string, down: ReadonlySet<string> = NONE) => {
      const { membership } = await pod.registry.create(wish(name, preferred), down);
      return membership.copies.r1?.node;
    };
    expect(await nodeOf('a', 'n3')).toBe('n3');
    expect(await nodeOf('b', 'n3')).toBe('n3');
    expect(await nodeOf('c', 'n3', new Set(['n3']))).toBe('n1');
    expect(await nodeOf('d', 'n9')).toBe('n2');
  });
});

describe('what is declared', () => {
  const declare = (more: object = {}) =>
    kube.client().create(VOLUMES, { metadata: { ...NAME, ...more }, spec: { size: '2Gi' } });

  test('is no volume until it is admitted, and cannot be created over', async () => {
    await declare();
    await settle();
    expect(pod.registry.get(A)).toBeUndefined();
    expect(pod.registry.faultOf(A)?.kind).toBe('new');
    await expect(pod.registry.create(request('a'), NONE)).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      message: expect.stringContaining('is not accepted yet'),
    });
    const { record, isNew } = await pod.registry.admit(request('a', { size: '2Gi' }), NONE);
    expect(isNew).toBe(true);
    expect(await pod.registry.admit(request('a'), NONE)).toEqual({ record, isNew: false });
    expect(pod.registry.faultOf(A)).toBeUndefined();
    expect(kube.get(VOLUMES, NAME)?.metadata.finalizers).toEqual(['keelson.io/data']);
    await expect(pod.registry.admit(request('b'), NONE)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('is admitted once, by whichever of two is first', async () => {
    const other = await openPod(kube);
    await declare();
    await settle();
    const wish = request('a', { size: '2Gi' });
    const [one, two] = await Promise.all([
      pod.registry.admit(wish, NONE),
      other.registry.admit(wish, NONE),
    ]);
    expect(one.record).toEqual(two.record);
    expect([one.isNew, two.isNew].sort()).toEqual([false, true]);
    await settle();
    expect(kube.list(SECRETS)).toHaveLength(1);
  });

  test('with a damaged record never gets another one, and is not served', async () => {
    await pod.registry.create(request('a'), NONE);
    const record = { ...recordIn(kube.get(VOLUMES, NAME)), membership: { version: 'x' } };
    await kube.client().patch(VOLUMES, NAME, { status: { record } }, 'status');
    for (const each of [pod, await openPod(kube)]) {
      await settle();
      expect(each.registry.get(A)).toBeUndefined();
      expect(each.registry.faultOf(A)).toMatchObject({
        kind: 'damaged',
        message: expect.stringMatching(
          /^status.record of volume default\/a cannot be read: .*backup/,
        ),
      });
      await expect(each.registry.admit(request('a'), NONE)).rejects.toMatchObject({
        code: 'CORRUPT',
      });
      await expect(each.registry.create(request('a'), NONE)).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
      });
    }
  });

  test.each([
    [{ spec: { name: 'b' } }, 'it is the record of default/b'],
    [{ chapKey: 'secret' }, 'chapKey: expected chap- and 8 digits'],
    [{ slot: 70_000 }, 'slot: expected a whole number from 0 to 65535'],
    [{ removed: 'none' }, 'removed: expected a list'],
  ])('with the record changed by %j is damaged', async (changes, why) => {
    await pod.registry.create(request('a'), NONE);
    await kube.client().patch(VOLUMES, NAME, { status: { record: changes } }, 'status');
    await settle();
    expect(pod.registry.faultOf(A)?.message).toContain(why);
  });

  test('that loses its record is not taken for a new one, and is itself again with it', async () => {
    const record = await pod.registry.create(request('a'), NONE);
    const { status } = kube.get(VOLUMES, NAME) ?? {};
    await kube.client().patch(VOLUMES, NAME, { status: { record: null } }, 'status');
    await settle();
    expect(pod.registry.faultOf(A)?.kind).toBe('damaged');
    await kube.client().patch(VOLUMES, NAME, { status }, 'status');
    await settle();
    expect(pod.registry.get(A)).toEqual(record);
  });
});

describe('a Secret', () => {
  const secretName = () => volumeObjectName(pod.registry.require(A).spec);
  const remove = () => kube.client().remove(SECRETS, { namespace: SYSTEM, name: secretName() });

  test('that is deleted is put back by whoever knows it', async () => {
    const { secret } = await pod.registry.create(request('a', { chap: CHAP }), NONE);
    await remove();
    await settle();
    expect(pod.registry.get(A)?.secret).toBe(secret);
    expect((await openPod(kube)).registry.get(A)).toMatchObject({ secret, chap: CHAP });
  });

  test('that nobody knows any more is made anew once, and lets nobody log in', async () => {
    const before = await pod.registry.create(request('a', { chap: CHAP }), NONE);
    pod.store.close();
    pod.client.isCutOff = true;
    await remove();
    const [one, two] = await Promise.all([openPod(kube), openPod(kube)]);
    const { secret, chap } = one.registry.require(A);
    expect(two.registry.require(A).secret).toBe(secret);
    expect(secret).not.toBe(before.secret);
    expect(chap?.users).toEqual([
      { name: 'lost', secret: expect.stringMatching(/^[0-9a-f]{48}$/) },
    ]);
    // The Secret that the owner has made says it again.
    await one.registry.update(A, { ...PLAIN, chap: CHAP }, NONE);
    expect((await openPod(kube)).registry.get(A)?.chap).toEqual(CHAP);
  });

  test.each([
    [{ secret: null }, /expected 64 hexadecimal digits under the key secret/],
    [{ secret: 'AAAA' }, /expected 64 hexadecimal digits/],
  ])('that was changed to %j is named, and shown to nobody', async (data, why) => {
    await pod.registry.create(request('a'), NONE);
    const name = { namespace: SYSTEM, name: secretName() };
    await kube.client().patch(SECRETS, name, { data });
    const fresh = await openPod(kube);
    expect(fresh.registry.faultOf(A)).toMatchObject({
      kind: 'damaged',
      message: expect.stringMatching(why),
    });
    expect(fresh.registry.get(A)).toBeUndefined();
  });
});

describe('two orchestrators', () => {
  test('that swap the same membership: exactly one wins, the other one learns of it', async () => {
    await pod.registry.create(request('a'), NONE);
    const other = await openPod(kube);
    other.client.hold(true);
    const [first, second] = await Promise.all([takeover(pod, 'one'), takeover(other, 'two')]);
    expect([first.ok, second.ok].sort()).toEqual([false, true]);
    const loser = first.ok ? second : first;
    const winner = first.ok ? 'one' : 'two';
    expect(loser).toMatchObject({
      ok: false,
      reason: 'version: expected 3, got 2',
      current: { version: 2, controller: { instanceId: winner } },
    });
    expect(kube.get(VOLUMES, NAME)?.status?.record).toMatchObject({
      membership: { version: 2, controller: { instanceId: winner } },
    });
  });

  test('that race many times count every change once', async () => {
    await pod.registry.create(request('a'), NONE);
    const other = await openPod(kube);
    const ids = Array.from({ length: 20 }, (_, index) => `i${index}`);
    await Promise.all(
      ids.map((id, index) => (index % 2 === 0 ? pod : other).registry.addGoneInstance(A, id)),
    );
    await settle();
    for (const { registry } of [pod, other]) {
      const { goneInstances, revision } = registry.require(A);
      expect(goneInstances.toSorted()).toEqual(ids.toSorted());
      expect(revision).toBe(21);
    }
  });

  test('never refuse a controller on account of a record that is older than the one it knows', async () => {
    await pod.registry.create(request('a'), NONE);
    const late = await openPod(kube);
    late.client.hold(true);
    await takeover(pod, 'one');
    const { membership } = pod.registry.require(A);
    expect(late.registry.require(A).membership.version).toBe(1);
    const change = await late.registry.changeMembership(A, { ...membership, version: 3 });
    expect(change.ok).toBe(true);
    expect(late.registry.require(A).membership.version).toBe(3);
  });

  test('tell a controller that asks anew what was stored before it asked', async () => {
    await pod.registry.create(request('a'), NONE);
    const late = await openPod(kube);
    late.client.hold(true);
    await takeover(pod, 'one');
    const plan = { replica: () => ({ host: '10.0.0.9', port: 5703 }) } as never;
    const told = await late.registry.registration(A, plan, { mayLag: true });
    expect(told.membership.version).toBe(1);
    expect((await late.registry.registration(A, plan)).membership.version).toBe(2);
    late.client.isCutOff = true;
    await expect(late.registry.registration(A, plan)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  test('see what the other one does, and are told once for each change of a volume', async () => {
    const other = await openPod(kube);
    const told: string[] = [];
    other.registry.subscribe((address) => told.push(address));
    await pod.registry.create(request('a'), NONE);
    await settle();
    expect(other.registry.get(A)).toEqual(pod.registry.get(A));
    expect(told).toEqual([A]);
    await kube.client().patch(VOLUMES, NAME, { status: { health: 'healthy' } }, 'status');
    await settle();
    expect(told).toEqual([A]);
    expect((await takeover(other, 'one')).ok).toBe(true);
    expect(kube.get(VOLUMES, NAME)?.status?.health).toBe('healthy');
  });

  test('a record whose credentials are not seen yet is not taken for one with others', async () => {
    await pod.registry.create(request('a', { chap: CHAP }), NONE);
    const late = await openPod(kube);
    const chap = { ...CHAP, users: [{ name: 'host', secret: 'twelve-bytes-2' }] };
    late.client.hold(true);
    await pod.registry.update(A, { ...PLAIN, chap }, NONE);
    await late.store.refresh(A);
    expect(late.registry.require(A)).toMatchObject({ revision: 2, chap });
  });
});

test('the installation is the cluster, so that one that is installed again finds its data', async () => {
  expect(pod.registry.installationId).toMatch(/^[0-9a-f]{32}$/);
  expect((await openPod(kube)).registry.installationId).toBe(pod.registry.installationId);
});
