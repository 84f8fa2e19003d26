import type { Access } from '../../orchestrator/kubernetes/access.ts';
import { KubeClient } from '../../orchestrator/kubernetes/client.ts';
import type { Change } from '../../orchestrator/kubernetes/kube-api.ts';
import { LEASE_TIMES, LeaderElection } from '../../orchestrator/kubernetes/leader.ts';
import { Lister } from '../../orchestrator/kubernetes/lister.ts';
import type { AnyObject, ConfigMap } from '../../orchestrator/kubernetes/objects.ts';
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  LEASES,
  NAMESPACES,
  NODES,
  type Resource,
  SECRETS,
  SERVICES,
} from '../../orchestrator/kubernetes/resources.ts';
import { TRANSPORT_LIMITS, Transport } from '../../orchestrator/kubernetes/transport.ts';
import { eventually, run } from '../support/child.ts';
import { foundAccess, PRINT_ACCESS } from './support/access.ts';
import { kubectl } from './support/kubectl.ts';
import { useNamespace } from './support/namespace.ts';
import { TcpRelay } from './support/tcp-relay.ts';

const NAMESPACE = 't-client-api';
useNamespace(NAMESPACE);

const NAME = { namespace: NAMESPACE, name: 'a' };
/** More than one page. */
const MANY = 501;
const AT_ONCE = 16;

let access: Access;
let client: KubeClient;
beforeAll(async () => {
  access = await foundAccess();
  client = new KubeClient(access);
});
afterAll(() => client.close());

function map(name: string, value: string, labels: Record<string, string> = {}): ConfigMap {
  return { metadata: { namespace: NAMESPACE, name, labels }, data: { value } };
}

test('an object is created, read, changed and removed, each only from the version that is there', async () => {
  const made = await client.create(CONFIG_MAPS, map('a', '1', { use: 'first' }));
  expect(made).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { value: '1' } });
  expect(made.metadata).not.toHaveProperty('managedFields');
  await expect(client.create(CONFIG_MAPS, map('a', '1'))).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    message: `create ConfigMap ${NAMESPACE}/a: the Kubernetes API said: configmaps "a" already exists`,
  });
  expect(await client.get(CONFIG_MAPS, NAME)).toEqual(made);
  const changed = await client.replace(CONFIG_MAPS, { ...made, data: { value: '2' } });
  const stale = client.replace(CONFIG_MAPS, { ...made, data: { value: '3' } });
  await expect(stale).rejects.toMatchObject({ code: 'CONFLICT' });
  const { resourceVersion } = made.metadata;
  const stalePatch = { metadata: { resourceVersion }, data: { value: '4' } };
  await expect(client.patch(CONFIG_MAPS, NAME, stalePatch)).rejects.toMatchObject({
    code: 'CONFLICT',
  });
  const patched = await client.patch(CONFIG_MAPS, NAME, { data: { more: 'x', value: null } });
  expect(patched.data).toEqual({ more: 'x' });
  expect(patched.metadata.uid).toBe(changed.metadata.uid);
  const other = '00000000-0000-4000-8000-000000000000';
  await client.remove(CONFIG_MAPS, NAME, { uid: other });
  expect(await client.get(CONFIG_MAPS, NAME)).toBeDefined();
  await client.remove(CONFIG_MAPS, NAME, { uid: patched.metadata.uid ?? '' });
  expect(await client.get(CONFIG_MAPS, NAME)).toBeUndefined();
  await client.remove(CONFIG_MAPS, NAME);
});

test('the status is another part, which changes nothing else', async () => {
  const spec = { ports: [{ port: 80 }], selector: { app: 'none' } };
  const made = await client.create(SERVICES, {
    metadata: { namespace: NAMESPACE, name: 'svc' },
    spec: spec as object,
  });
  const condition = { type: 'Checked', status: 'True', reason: 'Test', message: 'by a test' };
  const status = { conditions: [{ ...condition, lastTransitionTime: '2026-11-21T00:00:00Z' }] };
  const patch = { status, spec: { externalName: 'x' } };
  const after = await client.patch(SERVICES, made.metadata, patch, 'status');
  expect(after).toMatchObject({ status: { loadBalancer: {} }, spec: made.spec });
  expect(after.spec).not.toHaveProperty('externalName');
});

test('a list has all pages, and only what was asked for', async () => {
  const names = Array.from({ length: MANY }, (_, index) => `page-${index}`);
  const open = [...names];
  const create = async () => {
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const group = name.endsWith('7') ? 'seven' : 'other';
      await client.create(CONFIG_MAPS, map(name, '1', { group, test: 'pages' }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, create));
  const before = client.requestCount;
  const labels = { test: 'pages' };
  const all = await client.list(CONFIG_MAPS, { namespace: NAMESPACE, labels });
  expect(client.requestCount - before).toBe(2);
  expect(all.map(({ metadata }) => metadata.name).sort()).toEqual(names.sort());
  const few = await client.list(CONFIG_MAPS, {
    ...{ namespace: NAMESPACE, labels: { ...labels, group: 'seven' } },
  });
  expect(few).toHaveLength(names.filter((name) => name.endsWith('7')).length);
  const [one] = await client.list(CONFIG_MAPS, { namespace: NAMESPACE, name: 'page-3' });
  expect(one).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
  expect((await client.list(NODES)).length).toBeGreaterThan(0);
});

const UNKNOWN: Resource<AnyObject> = {
  ...{ apiVersion: 'nobody.example/v1', kind: 'Thing', plural: 'things', isNamespaced: true },
};

test('what the server refuses says why, and its code says what kind of refusal it is', async () => {
  const nowhere = { namespace: `${NAMESPACE}-not`, name: 'a' };
  await expect(client.create(CONFIG_MAPS, { metadata: nowhere })).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining(`namespaces "${NAMESPACE}-not" not found`),
  });
  expect(await client.get(CONFIG_MAPS, nowhere)).toBeUndefined();
  await expect(client.get(UNKNOWN, NAME)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(client.list(UNKNOWN)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(client.remove(UNKNOWN, NAME)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const bad = { metadata: { ...NAME, name: 'bad' }, spec: { replicas: -1 } };
  await expect(client.create(DEPLOYMENTS, bad)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('spec.replicas'),
  });
});

test('a Secret that the server cannot read is not repeated', async () => {
  const secret = { metadata: { ...NAME, name: 'bad' }, data: { key: 'not base64: hunter2' } };
  const error: unknown = await client.create(SECRETS, secret).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(String(error)).not.toMatch(/hunter2|not base64/);
});

test('a service account without rights is told what it may not do, and its token is not shown', async () => {
  await kubectl('create', 'serviceaccount', 'nobody', '-n', NAMESPACE);
  const token = await eventually('the account has a token', async () => {
    const secrets = await client.list(SECRETS, { namespace: NAMESPACE });
    const own = secrets.find(({ metadata }) => metadata.name.startsWith('nobody-token-'));
    const text = own?.data?.token;
    return text === undefined ? undefined : Buffer.from(text, 'base64').toString();
  });
  const nobody = new KubeClient(asBearer(access, token));
  const error: unknown = await nobody.get(SECRETS, NAME).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringMatching(
      /^get Secret t-client-api\/a: the Kubernetes API said: secrets "a" is forbidden/,
    ),
  });
  await expect(nobody.list(NAMESPACES)).rejects.toMatchObject({
    message: expect.stringContaining(`system:serviceaccount:${NAMESPACE}:nobody" cannot list`),
  });
  const stranger = new KubeClient(asBearer(access, `${token}x`));
  const refused: unknown = await stranger.list(NAMESPACES).catch((thrown: unknown) => thrown);
  expect(refused).toMatchObject({ code: 'UNAVAILABLE' });
  expect(String(refused)).not.toContain(token);
  nobody.close();
  stranger.close();
});

test('where nothing says which cluster, the error says what to set', async () => {
  const environment = { KUBECONFIG: '', HOME: '/nonexistent' };
  const { code, stderr } = await run(process.execPath, [PRINT_ACCESS], { environment });
  expect(code).toBe(1);
  expect(stderr).toContain('found no Kubernetes cluster: expected KUBECONFIG');
});

test('an informer goes on where it was when its connection is cut, and repeats nothing', async () => {
  const relay = await relayTo(access);
  const own = new KubeClient(through(relay, access));
  const informer = own.inform(CONFIG_MAPS, { namespace: NAMESPACE, labels: { test: 'cut' } });
  const told: string[] = [];
  const values = ({ before, after }: Change<ConfigMap>) =>
    told.push(`${(after ?? before)?.metadata.name} ${after?.data?.value ?? '-'}`);
  informer.subscribe(values);
  await informer.ready;
  const tells = (...expected: readonly string[]) =>
    eventually(`told of ${expected}`, () => told.join() === expected.join() || undefined, {
      ...{ withinMs: 15_000, everyMs: 5 },
    });
  await client.create(CONFIG_MAPS, map('one', '1', { test: 'cut' }));
  await client.create(CONFIG_MAPS, map('not-asked-for', '1'));
  await tells('one 1');
  relay.cut();
  await client.patch(CONFIG_MAPS, { ...NAME, name: 'one' }, { data: { value: '2' } });
  await client.create(CONFIG_MAPS, map('two', '1', { test: 'cut' }));
  await tells('one 1', 'one 2', 'two 1');
  relay.close();
  await eventually('it is down', () => informer.down);
  await client.remove(CONFIG_MAPS, { ...NAME, name: 'one' });
  // It does not match any more.
  await client.patch(CONFIG_MAPS, { ...NAME, name: 'two' }, { metadata: { labels: null } });
  relay.open();
  await tells('one 1', 'one 2', 'two 1', 'one -', 'two -');
  expect(informer.down).toBeUndefined();
  const noted = await client.create(CONFIG_MAPS, map('three', '1', { test: 'cut' }));
  informer.note(noted);
  expect(told.at(-1)).toBe('three 1');
  await client.remove(CONFIG_MAPS, noted.metadata);
  informer.noteGone(noted.metadata, noted.metadata.uid);
  await client.create(CONFIG_MAPS, map('four', '1', { test: 'cut' }));
  await tells('one 1', 'one 2', 'two 1', 'one -', 'two -', 'three 1', 'three -', 'four 1');
  own.close();
  await relay.stop();
});

test('a version that the server has forgotten is known by its code', async () => {
  const transport = new Transport(access, TRANSPORT_LIMITS);
  const lister = new Lister(transport, NODES, {});
  const door = { signal: AbortSignal.timeout(20_000), onOpen: () => undefined };
  const events = lister.watch('1', door);
  const first = await events.next();
  expect(first.value).toMatchObject({ type: 'broken', error: { code: 'CONFLICT' } });
  await events.return(undefined);
  transport.close();
});

test('one of two leads; the other follows when it is closed, or cannot be heard any more', async () => {
  const relay = await relayTo(access);
  const lost: string[] = [];
  const start = (candidate: string, api: KubeClient) =>
    new LeaderElection({
      ...{ api, candidate, lease: { namespace: NAMESPACE, name: 'leader' } },
      onLost: (holder) => lost.push(`${candidate} to ${holder}`),
      now: () => new Date(),
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
  const first = start('first', client);
  await first.whenLeading();
  const cutOff = new KubeClient(through(relay, access));
  const second = start('second', cutOff);
  await eventually('the second has seen the first', () => second.holder === 'first' || undefined);
  const closedMs = performance.now();
  await first.close();
  await second.whenLeading();
  expect(performance.now() - closedMs).toBeLessThan(3_000);
  const third = start('third', client);
  relay.close();
  const cutMs = performance.now();
  await third.whenLeading();
  const tookMs = performance.now() - cutMs;
  expect(tookMs).toBeGreaterThan(LEASE_TIMES.durationMs - LEASE_TIMES.renewMs - 1_000);
  expect(tookMs).toBeLessThan(15_000);
  expect([second.isLeading, lost]).toEqual([true, []]);
  relay.open();
  await eventually('the second knows', () => lost[0]);
  expect([lost, second.isLeading, third.isLeading]).toEqual([['second to third'], false, true]);
  const lease = await client.get(LEASES, { namespace: NAMESPACE, name: 'leader' });
  expect(lease?.spec).toMatchObject({ holderIdentity: 'third', leaseTransitions: 2 });
  await Promise.all([second.close(), third.close()]);
  cutOff.close();
  await relay.stop();
});

function asBearer({ server, credentials }: Access, token: string): Access {
  return {
    server,
    credentials: async () => {
      const { ca } = (await credentials()).tls;
      return { headers: { authorization: `Bearer ${token}` }, tls: { ca } };
    },
  };
}

async function relayTo({ server }: Access): Promise<TcpRelay> {
  const { hostname, port } = new URL(server);
  return TcpRelay.start({ host: hostname, port: Number(port) });
}

/** The server's certificate is for its own address. */
function through(relay: TcpRelay, { credentials }: Access): Access {
  return {
    server: `https://127.0.0.1:${relay.port}`,
    credentials: async () => {
      const given = await credentials();
      return { ...given, tls: { ...given.tls, servername: 'kubernetes.default.svc' } };
    },
  };
}
