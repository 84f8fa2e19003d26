import type { KubeApi } from '../../../../orchestrator/kubernetes/kube-api.ts';
import { VOLUMES } from '../../../../orchestrator/kubernetes/resources.ts';
import { decodeRule } from '../../../../orchestrator/model/rule.ts';
import type { Registry } from '../../../../orchestrator/registry/registry.ts';
import { NONE, request } from './kube-installation.ts';
import { claimed } from './records.ts';

/** One change of a registry. */
export interface Operation {
  readonly name: string;
  /** Done before, and acknowledged. */
  readonly prepare?: (registry: Registry, api: KubeApi) => Promise<unknown>;
  readonly run: (registry: Registry) => Promise<unknown>;
  /** By whoever comes next; `run` again when it is not given. */
  readonly retry?: (registry: Registry) => Promise<unknown>;
}

const PLAIN = { labelsAdd: {}, labelsRemove: [] };
const CHAP = { users: [{ name: 'host', secret: 'twelve-bytes-1' }], mutual: null };
const OTHER_CHAP = {
  ...{ users: [{ name: 'host', secret: 'twelve-bytes-2' }], mutual: null },
  allowsShortSecrets: false,
};
const TWO = { 'keelson.io/replicas': '2' };

/** Every change that a registry knows, of volumes of this namespace and of nodes n1, n2 and n3. */
export function makeOperations(namespace: string): readonly Operation[] {
  const A = `${namespace}/a`;
  const ask = (name: string, more: object = {}) => request(name, { namespace, ...more });
  function rule(replicas: number) {
    const labels = { 'keelson.io/replicas': String(replicas) };
    return decodeRule({ namespace, name: 'all', selector: '', action: 'add', labels, weight: 0 });
  }

  function takeover(registry: Registry) {
    return registry.changeMembership(A, claimed(registry.require(A).membership, 'pod-1'));
  }

  const make = (registry: Registry) => registry.create(ask('a', { labels: TWO }), NONE);
  const declare = async (_: Registry, api: KubeApi) => {
    const metadata = { namespace, name: 'a', labels: { env: 'prod' } };
    await api.create(VOLUMES, { metadata, spec: { size: '2Gi', replicas: 1 } });
  };

  return [
    {
      name: 'create',
      run: make,
      // What is declared by now is admitted; asking again finds it.
      retry: async (registry) => registry.get(A) ?? (await make(registry)),
    },
    {
      name: 'create with CHAP',
      run: (registry) => registry.create(ask('a', { chap: CHAP }), NONE),
      retry: async (registry) => {
        const chap = { ...CHAP, allowsShortSecrets: false };
        if (registry.get(A) === undefined) await registry.create(ask('a', { chap: CHAP }), NONE);
        else await registry.update(A, { ...PLAIN, chap }, NONE);
      },
    },
    {
      name: 'admit',
      prepare: declare,
      run: (registry) =>
        registry.admit(
          ask('a', { size: '2Gi', labels: { env: 'prod', 'keelson.io/replicas': '1' } }),
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
      prepare: (registry) => registry.create(ask('a', { chap: CHAP }), NONE),
      run: (registry) => registry.update(A, { ...PLAIN, chap: OTHER_CHAP }, NONE),
    },
    {
      name: 'end of CHAP',
      prepare: (registry) => registry.create(ask('a', { chap: CHAP }), NONE),
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
      prepare: (registry) => registry.create(ask('a'), NONE),
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
        await registry.create(ask('a'), NONE);
        await registry.create(ask('b'), NONE);
      },
      run: (registry) => registry.setRule(rule(1)),
    },
    {
      name: 'remove a rule',
      prepare: async (registry) => {
        await registry.setRule(rule(2));
        await registry.create(ask('a'), NONE);
      },
      run: (registry) => registry.removeRule(`${namespace}/all`),
      retry: async (registry) => {
        if (registry.rules.length > 0) await registry.removeRule(`${namespace}/all`);
      },
    },
    {
      name: 'drain a node',
      prepare: make,
      run: (registry) => registry.useNode('n3', { isCordoned: true }, NONE),
    },
    { name: 'prepare a node', run: (registry) => registry.changeNode('n2', { isPrepared: true }) },
  ];
}
