import { KubeClient } from '../../orchestrator/kubernetes/client.ts';
import type { KubeApi } from '../../orchestrator/kubernetes/kube-api.ts';
import type { VolumeObject } from '../../orchestrator/kubernetes/objects.ts';
import {
  CONFIG_MAPS,
  NODES,
  RULES,
  SECRETS,
  VOLUMES,
} from '../../orchestrator/kubernetes/resources.ts';
import { NAMES } from '../../orchestrator/platforms/kubernetes/names.ts';
import { type KubeStore, openKubeStore } from '../../orchestrator/registry/kube-store.ts';
import { Registry } from '../../orchestrator/registry/registry.ts';
import { makeLog } from '../../replica/common/log.ts';
import { API_RULES } from '../unit/orchestrator/support/api-rules.ts';
import { NONE, request } from '../unit/orchestrator/support/kube-installation.ts';
import { makeOperations } from '../unit/orchestrator/support/kube-operations.ts';
import { foundAccess } from './support/access.ts';
import { kubectl, kubectlWith } from './support/kubectl.ts';
import { useNamespace } from './support/namespace.ts';
import { OwnResources, useOwnResources } from './support/own-resources.ts';

const NAMESPACE = 't-store';
/** In the place of keelson-system. */
const SYSTEM = 't-store-system';
const GROUP = 't-store.example';
const A = `${NAMESPACE}/a`;
const NAME = { namespace: NAMESPACE, name: 'a' };

useOwnResources(GROUP);
useNamespace(SYSTEM);
useNamespace(NAMESPACE);

interface Pod {
  readonly api: KubeApi;
  readonly store: KubeStore;
  readonly registry: Registry;
}

let client: KubeClient;
const closing: { close(): void }[] = [];

beforeAll(async () => {
  client = new KubeClient(await foundAccess());
});
afterEach(async () => {
  for (const each of closing.splice(0)) each.close();
  const api = new OwnResources(client, GROUP);
  for (const { metadata } of await api.list(VOLUMES)) {
    await api.patch(VOLUMES, metadata, { metadata: { finalizers: null } });
    await api.remove(VOLUMES, metadata);
  }
  for (const { metadata } of await api.list(RULES)) await api.remove(RULES, metadata);
  for (const { metadata } of await api.list(SECRETS, { namespace: SYSTEM })) {
    if (metadata.name.startsWith('v-')) await api.remove(SECRETS, metadata);
  }
  await api.remove(CONFIG_MAPS, { namespace: SYSTEM, name: NAMES.nodes });
});
afterAll(() => client.close());

async function openPod(): Promise<Pod> {
  const api = new OwnResources(client, GROUP);
  const [volumes, rules, nodes] = [api.inform(VOLUMES), api.inform(RULES), api.inform(NODES)];
  const store = await openKubeStore({
    ...{ api, namespace: SYSTEM, nodeSelector: undefined, volumes, rules, nodes },
    log: makeLog({ program: 'test' }),
  });
  closing.push(store, volumes, rules, nodes);
  return { api, store, registry: new Registry(store) };
}

function stateOf({ store }: Pod) {
  const { volumes, rules, nodes, faults } = store.state;
  return { volumes: Object.fromEntries(volumes), rules, nodes, faults: [...faults] };
}

function takeover({ registry }: Pod, instanceId: string) {
  const { membership } = registry.require(A);
  return registry.changeMembership(A, {
    ...membership,
    version: membership.version + 1,
    epoch: membership.epoch + 1,
    generation: membership.generation + 1,
    controller: { instanceId, address: '10.0.0.1:3260' },
  });
}

test.each(API_RULES)('a real API server $name', async ({ check }) => {
  await check(new OwnResources(client, GROUP), NAMESPACE);
});

test.each(makeOperations(NAMESPACE))(
  'a real API server keeps what a registry changes: $name',
  async ({ prepare, run }) => {
    const pod = await openPod();
    await prepare?.(pod.registry, pod.api);
    await pod.store.refresh(A); // what was declared through another door
    await run(pod.registry);
    const fresh = await openPod();
    expect(stateOf(fresh)).toEqual(stateOf(pod));
  },
);

test('of two orchestrators that swap the same membership exactly one wins', async () => {
  const [one, two] = [await openPod(), await openPod()];
  await one.registry.create(request('a', { namespace: NAMESPACE }), NONE);
  await two.store.refresh(A);
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([one, two].map(({ store }) => store.refresh(A)));
    const changes = await Promise.all([
      takeover(one, `one-${round}`),
      takeover(two, `two-${round}`),
    ]);
    const [won, lost] = changes[0].ok ? changes : changes.toReversed();
    expect([won?.ok, lost?.ok]).toEqual([true, false]);
    const stored = won?.ok === true ? won.after : undefined;
    expect(lost).toMatchObject({ current: stored });
    expect(stored?.epoch).toBe(round + 1);
  }
});

test('what two orchestrators change at the same time is all there at the end', async () => {
  const [one, two] = [await openPod(), await openPod()];
  await one.registry.create(request('a', { namespace: NAMESPACE }), NONE);
  await two.store.refresh(A);
  const ids = Array.from({ length: 20 }, (_, index) => `i${index}`);
  await Promise.all(
    ids.map((id, index) => (index % 2 === 0 ? one : two).registry.addGoneInstance(A, id)),
  );
  const fresh = await openPod();
  const { goneInstances, revision } = fresh.registry.require(A);
  expect(goneInstances.toSorted()).toEqual(ids.toSorted());
  expect(revision).toBe(21);
  // What people are told of it beside the record changes nothing of the record, nulls in it included.
  const before = fresh.registry.require(A);
  await one.api.patch(VOLUMES, NAME, { status: { health: 'healthy', message: null } }, 'status');
  await fresh.store.refresh(A);
  expect(fresh.registry.require(A)).toBe(before);
  expect((await takeover(fresh, 'three')).ok).toBe(true);
  const object = (await one.api.get(VOLUMES, NAME)) as VolumeObject;
  expect(object.status).toMatchObject({ health: 'healthy', record: { membership: { epoch: 1 } } });
});

test('kubectl shows a volume as a table, finds it by its short name, and scales it', async () => {
  const { registry, api } = await openPod();
  const labels = { 'keelson.io/replicas': '1' };
  await registry.create(request('a', { namespace: NAMESPACE, labels }), NONE);
  const status = {
    size: '1Gi',
    replicas: 1,
    inSync: 2,
    health: 'healthy',
    portal: '10.0.0.1:3260',
  };
  await api.patch(VOLUMES, NAME, { status }, 'status');
  const table = await kubectl('get', `volumes.${GROUP}`, '--namespace', NAMESPACE);
  const [head = '', row = ''] = table.trim().split('\n');
  expect(head.trim().split(/ {2,}/)).toEqual([
    ...['NAME', 'SIZE', 'REPLICAS', 'IN-SYNC', 'HEALTH', 'PORTAL', 'AGE'],
  ]);
  expect(row.trim().split(/ {2,}/).slice(0, 6)).toEqual([
    ...['a', '1Gi', '1', '2', 'healthy', '10.0.0.1:3260'],
  ]);
  await kubectl('scale', `volumes.${GROUP}/a`, '--replicas=2', '--namespace', NAMESPACE);
  expect((await api.get(VOLUMES, NAME))?.spec?.replicas).toBe(2);
});

test('the server fills in what the product has a default for, and nothing that rules decide', async () => {
  const { api } = await openPod();
  const { spec } = await api.create(VOLUMES, { metadata: NAME });
  expect(spec).toEqual({ size: '1Gi' });
  const rule = { metadata: NAME, spec: { labels: { 'keelson.io/replicas': '1' } } };
  expect((await api.create(RULES, rule)).spec).toEqual({ ...rule.spec, action: 'add', weight: 0 });
});

/** What the server says against it, not kubectl, which knows the schemas as well. */
async function refusalOf(object: object): Promise<string> {
  const text = JSON.stringify({ apiVersion: `${GROUP}/v1alpha1`, ...object });
  const refusal = await kubectlWith(text, ['apply', '--validate=false', '-f', '-']).catch(String);
  expect(refusal).toContain('is invalid');
  return refusal;
}

const INITIATOR = 'iqn.2026-11.com.example:a';

test.each<[string, object, string]>([
  ['a size without a unit that we know', { size: '5Q' }, 'spec.size'],
  ['a negative size', { size: -1 }, 'spec.size'],
  ['a size that is no size', { size: true }, 'spec.size'],
  ['too many GiB', { size: 65_537 }, 'spec.size'],
  ['too many replicas', { replicas: 6 }, 'spec.replicas'],
  ['fewer than no replicas', { replicas: -1 }, 'spec.replicas'],
  ['replicas as a text', { replicas: '2' }, 'spec.replicas'],
  ['a failure mode that nobody knows', { failureMode: 'fast' }, 'spec.failureMode'],
  ['too much tolerance', { failureTolerance: 5 }, 'spec.failureTolerance'],
  ['a list of no initiators', { initiators: [] }, 'spec.initiators'],
  ['an initiator that is no iSCSI name', { initiators: [INITIATOR, 'host1'] }, 'spec.initiators'],
  ['a truth value for sanitize', { sanitize: true }, 'spec.sanitize'],
  ['a Secret without a name', { chapSecretRef: {} }, 'spec.chapSecretRef.name'],
  ['a Secret that is a path', { chapSecretRef: { name: 'a/b' } }, 'spec.chapSecretRef.name'],
  [
    'a node that cannot be',
    { placement: { preferredNode: 'N 1' } },
    'spec.placement.preferredNode',
  ],
  ['defaults that are no texts', { defaults: { 'keelson.io/replicas': 1 } }, 'spec.defaults'],
])('the server refuses %s and names the field', async (_, spec, field) => {
  const refusal = await refusalOf({ kind: 'Volume', metadata: NAME, spec });
  expect(refusal).toContain(field);
});

test.each<[string, object, string]>([
  ['no labels', {}, 'spec.labels'],
  ['empty labels', { labels: {} }, 'spec.labels'],
  ['an action that nobody knows', { labels: { a: 'b' }, action: 'drop' }, 'spec.action'],
  ['too much weight', { labels: { a: 'b' }, weight: 1001 }, 'spec.weight'],
])('the server refuses a rule with %s and names the field', async (_, spec, field) => {
  const refusal = await refusalOf({ kind: 'Rule', metadata: NAME, spec });
  expect(refusal).toContain(field);
});

test('the server refuses a volume by a name that could be no host name', async () => {
  const metadata = { ...NAME, name: 'a.b' };
  const refusal = await refusalOf({ kind: 'Volume', metadata });
  expect(refusal).toContain('metadata.name');
});
