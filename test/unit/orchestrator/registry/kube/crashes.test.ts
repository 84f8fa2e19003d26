import { SECRETS, VOLUMES } from '../../../../../orchestrator/kubernetes/resources.ts';
import { decodeRule } from '../../../../../orchestrator/model/rule.ts';
import type { Registry } from '../../../../../orchestrator/registry/registry.ts';
import type { FakeKube } from '../../support/fake-kube.ts';
import {
  admitAll,
  contentOf,
  type KubePod,
  makeCluster,
  NONE,
  openPod,
  request,
} from '../../support/kube-installation.ts';

/**
 * A crash after every write of every change: nothing that was acknowledged is lost, nothing half-made is
 * served, and whoever comes next can finish it or do it again.
 */
interface Operation {
  readonly name: string;
  /** Done before, and acknowledged. */
  readonly prepare?: (registry: Registry, kube: FakeKube) => Promise<unknown>;
  readonly run: (registry: Registry) => Promise<unknown>;
  /** By whoever comes next; `run` again when it is not given. */
  readonly retry?: (registry: Registry) => Promise<unknown>;
}

const A = 'default/a';
const PLAIN = { labelsAdd: {}, labelsRemove: [] };
const CHAP = { users: [{ name: 'host', secret: 'twelve-bytes-1' }], mutual: null };
const OTHER_CHAP = {
  ...{ users: [{ name: 'host', secret: 'twelve-bytes-2' }], mutual: null },
  allowsShortSecrets: false,
};
const TWO = { 'keelson.io/replicas': '2' };

function rule(replicas: number) {
  const labels = { 'keelson.io/replicas': String(replicas) };
  return decodeRule({ name: 'all', selector: '', action: 'add', labels, weight: 0 });
}

function takeover(registry: Registry) {
  const { membership } = registry.require(A);
  return registry.changeMembership(A, {
    ...membership,
    version: membership.version + 1,
    epoch: membership.epoch + 1,
    generation: membership.generation + 1,
    controller: { instanceId: 'pod-1', address: '10.0.0.1:3260' },
  });
}

const make = (registry: Registry) => registry.create(request('a', { labels: TWO }), NONE);
const declare = async (_: Registry, kube: FakeKube) => {
  const metadata = { namespace: 'default', name: 'a', labels: { env: 'prod' } };
  await kube.client().create(VOLUMES, { metadata, spec: { size: '2Gi', replicas: 1 } });
};

const OPERATIONS: readonly Operation[] = [
  {
    name: 'create',
    run: make,
    // What is declared by now is admitted; asking again finds it.
    retry: async (registry) => registry.get(A) ?? (await make(registry)),
  },
  {
    name: 'create with CHAP',
    run: (registry) => registry.create(request('a', { chap: CHAP }), NONE),
    retry: async (registry) => {
      const chap = { ...CHAP, allowsShortSecrets: false };
      if (registry.get(A) === undefined) await registry.create(request('a', { chap: CHAP }), NONE);
      else await registry.update(A, { ...PLAIN, chap }, NONE);
    },
  },
  {
    name: 'admit',
    prepare: declare,
    run: (registry) =>
      registry.admit(
        request('a', { size: '2Gi', labels: { env: 'prod', 'keelson.io/replicas': '1' } }),
        NONE,
      ),
  },
  {
    name: 'update of labels and size',
    prepare: make,
    run: (registry) =>
      registry.update(
        A,
        {
          labelsAdd: { env: 'prod', 'storageos.com/replicas': '1' },
          labelsRemove: [],
          size: '3Gi',
        },
        NONE,
      ),
  },
  {
    name: 'update of CHAP',
    prepare: (registry) => registry.create(request('a', { chap: CHAP }), NONE),
    run: (registry) => registry.update(A, { ...PLAIN, chap: OTHER_CHAP }, NONE),
  },
  {
    name: 'end of CHAP',
    prepare: (registry) => registry.create(request('a', { chap: CHAP }), NONE),
    run: (registry) => registry.update(A, { ...PLAIN, chap: null }, NONE),
  },
  {
    name: 'takeover',
    prepare: make,
    run: takeover,
    retry: async (registry) => {
      if (registry.require(A).membership.epoch === 0) await takeover(registry);
    },
  },
  {
    name: 'change of copies',
    prepare: (registry) => registry.create(request('a'), NONE),
    run: (registry) =>
      registry.changeCopies(A, registry.require(A).membership.version, [
        { kind: 'add-copy', node: 'n3' },
      ]),
    retry: async (registry) => {
      const { version } = registry.require(A).membership;
      if (version === 1) await registry.changeCopies(A, 1, [{ kind: 'add-copy', node: 'n3' }]);
    },
  },
  {
    name: 'a controller that is gone',
    prepare: make,
    run: (registry) => registry.addGoneInstance(A, 'pod-1'),
    retry: async (registry) => {
      if (registry.require(A).goneInstances.length === 0)
        await registry.addGoneInstance(A, 'pod-1');
    },
  },
  { name: 'mark for deletion', prepare: make, run: (registry) => registry.markDeleting(A) },
  {
    name: 'remove',
    prepare: async (registry) => {
      await make(registry);
      await registry.markDeleting(A);
    },
    run: (registry) => registry.remove(A),
  },
  {
    name: 'set a rule',
    prepare: async (registry) => {
      await registry.create(request('a'), NONE);
      await registry.create(request('b'), NONE);
    },
    run: (registry) => registry.setRule(rule(1)),
  },
  {
    name: 'remove a rule',
    prepare: async (registry) => {
      await registry.setRule(rule(2));
      await registry.create(request('a'), NONE);
    },
    run: (registry) => registry.removeRule('default/all'),
    retry: async (registry) => {
      if (registry.rules.length > 0) await registry.removeRule('default/all');
    },
  },
  {
    name: 'drain a node',
    prepare: make,
    run: (registry) => registry.useNode('n3', { isCordoned: true }, NONE),
  },
  { name: 'prepare a node', run: (registry) => registry.changeNode('n2', { isPrepared: true }) },
];

describe.each(OPERATIONS)('$name', (operation) => {
  test('writes what a fresh store reads back', async () => {
    const { kube, pod } = await begin(operation);
    await operation.run(pod.registry);
    const fresh = await openPod(kube);
    expect(stateOf(fresh)).toEqual(stateOf(pod));
  });

  test.each(['before', 'after'] as const)(
    'loses nothing and ends well when it crashes %s any of its writes',
    async (moment) => {
      const whole = await begin(operation);
      const calls = whole.pod.client.calls.length;
      await operation.run(whole.pod.registry);
      const count = whole.pod.client.calls.length - calls;
      expect(count).toBeGreaterThan(0);
      await admitAll(await openPod(whole.kube), whole.kube);
      for (let failing = 1; failing <= count; failing += 1) {
        const { kube, pod } = await begin(operation);
        const acknowledged = contentOf(kube);
        crashAt(pod, { failing, moment });
        const error = await operation.run(pod.registry).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        const fresh = await openPod(kube);
        checkWhole(fresh, kube);
        if (error === undefined) {
          // Only what was tidied up is missing.
          expect(stateOf(fresh)).toMatchObject({ volumes: stateOf(pod).volumes });
        } else expect(error).toMatchObject({ code: 'UNAVAILABLE' });
        if (moment === 'before' && failing === 1) expect(contentOf(kube)).toEqual(acknowledged);
        await admitAll(fresh, kube);
        await (operation.retry ?? operation.run)(fresh.registry).catch((thrown: unknown) => {
          expect(thrown).toMatchObject({ code: 'NOT_FOUND' }); // it was removed already
        });
        await admitAll(fresh, kube);
        expect(withoutOldChap(contentOf(kube))).toEqual(withoutOldChap(contentOf(whole.kube)));
      }
    },
  );
});

async function begin({ prepare }: Operation): Promise<{ kube: FakeKube; pod: KubePod }> {
  const kube = makeCluster();
  const first = await openPod(kube);
  await prepare?.(first.registry, kube);
  return { kube, pod: await openPod(kube) };
}

/** From then on the pod is dead: its calls reach nobody. */
function crashAt({ client }: KubePod, at: { failing: number; moment: 'before' | 'after' }): void {
  const first = client.calls.length;
  client.plan = (_, number) => {
    if (number - first > at.failing) return 'before';
    return number - first === at.failing ? at.moment : undefined;
  };
}

function stateOf({ store }: KubePod) {
  const { state } = store;
  return { ...state, volumes: Object.fromEntries(state.volumes) };
}

/** Nothing that is served is damaged, and every volume has its Secret. */
function checkWhole({ store }: KubePod, kube: FakeKube): void {
  expect([...store.state.faults.values()].filter(({ kind }) => kind === 'damaged')).toEqual([]);
  const secrets = kube.list(SECRETS).map(({ data }) => data?.secret);
  for (const record of store.state.volumes.values()) {
    expect(secrets).toContain(Buffer.from(record.secret).toString('base64'));
    for (const { name } of record.chap?.users ?? []) expect(name).not.toBe('lost');
  }
}

/** Credentials that no record names may be left over until the next change of them. */
function withoutOldChap(content: unknown): unknown {
  const { secrets, ...rest } = content as { secrets: { volume: string; keys: string[] }[] };
  return { ...rest, secrets: secrets.map(({ volume }) => volume) };
}
