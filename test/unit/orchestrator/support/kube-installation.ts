import type { KubeNode, VolumeObject } from '../../../../orchestrator/kubernetes/objects.ts';
import {
  CONFIG_MAPS,
  NAMESPACES,
  NODES,
  RULES,
  SECRETS,
  VOLUMES,
} from '../../../../orchestrator/kubernetes/resources.ts';
import { parseSize } from '../../../../orchestrator/model/size.ts';
import { decodeVolumeRequest, type VolumeRequest } from '../../../../orchestrator/model/volume.ts';
import { DEFAULT_SYSTEM_NAMESPACE } from '../../../../orchestrator/platforms/kubernetes/names.ts';
import { readVolumeObject } from '../../../../orchestrator/registry/kube-spec.ts';
import { type KubeStore, openKubeStore } from '../../../../orchestrator/registry/kube-store.ts';
import { Registry } from '../../../../orchestrator/registry/registry.ts';
import { type FakeClient, FakeKube } from './fake-kube.ts';

export const SYSTEM = DEFAULT_SYSTEM_NAMESPACE;
export const NONE: ReadonlySet<string> = new Set();

/** One pod of the orchestrator, as far as it keeps the state. */
export interface KubePod {
  readonly client: FakeClient;
  readonly store: KubeStore;
  readonly registry: Registry;
}

/** A cluster of these nodes, with nothing of ours in it. */
export function makeCluster(nodes: readonly string[] = ['n1', 'n2', 'n3']): FakeKube {
  const kube = new FakeKube();
  kube.put(NAMESPACES, { metadata: { name: 'kube-system' } });
  for (const name of nodes) addNode(kube, name);
  return kube;
}

export function addNode(kube: FakeKube, name: string, more: Partial<KubeNode> = {}): void {
  kube.put(NODES, { ...more, metadata: { name, ...more.metadata } });
}

export async function openPod(
  kube: FakeKube,
  nodeSelector?: Readonly<Record<string, string>>,
): Promise<KubePod> {
  const client = kube.client();
  const [volumes, rules, nodes] = [
    client.inform(VOLUMES),
    client.inform(RULES),
    client.inform(NODES),
  ];
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const options = { api: client, namespace: SYSTEM, nodeSelector, volumes, rules, nodes };
  const store = await openKubeStore({ ...options, log: silent });
  return { client, store, registry: new Registry(store) };
}

export function request(name: string, more: object = {}): VolumeRequest {
  return decodeVolumeRequest({ name, ...more });
}

/** Everything that is under way has happened. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

/** What the operator does with what is declared, as far as the registry is concerned. */
export async function admitAll({ registry }: KubePod, kube: FakeKube): Promise<void> {
  for (const object of kube.list(VOLUMES)) {
    const address = `${object.metadata.namespace}/${object.metadata.name}`;
    if (registry.faultOf(address)?.kind === 'new') await registry.admit(wishOf(object), NONE);
    const record = registry.get(address);
    if (record?.isDeleting === true) kube.remove(VOLUMES, object.metadata);
    if (record === undefined || record.isDeleting) continue;
    const { labels, size } = readVolumeObject(object);
    const labelsRemove = Object.keys(record.labels).filter(
      (label) => !Object.hasOwn(labels, label),
    );
    const update = { labelsAdd: labels, labelsRemove, ...(size === undefined ? {} : { size }) };
    await registry.update(address, update, NONE);
  }
  await registry.followRules();
}

export function wishOf(object: VolumeObject): VolumeRequest {
  const { namespace, name, labels, size = '1Gi', defaults = {} } = readVolumeObject(object);
  return { namespace, name, labels, defaults, sizeBytes: parseSize(size), chap: null };
}

/** Everything that there is of ours, without what is random. */
export function contentOf(kube: FakeKube): unknown {
  const volumes = kube.list(VOLUMES).map(({ metadata, spec, status }) => {
    const record = status?.record as
      | { readonly spec: object; readonly chapKey: string }
      | undefined;
    return {
      name: `${metadata.namespace}/${metadata.name}`,
      labels: metadata.labels ?? {},
      finalizers: metadata.finalizers,
      isLeaving: metadata.deletionTimestamp !== undefined,
      spec,
      record: record && {
        ...record,
        revision: undefined,
        spec: { ...record.spec, id: undefined },
        chapKey: record.chapKey === null ? null : 'chap',
      },
    };
  });
  const secrets = kube.list(SECRETS).map(({ metadata, data = {} }) => ({
    volume: metadata.labels?.['keelson.io/volume'],
    keys: Object.keys(data)
      .map((key) => key.replace(/^chap-.*/, 'chap'))
      .sort(),
  }));
  const rules = kube.list(RULES).map(({ metadata, spec }) => ({ name: metadata.name, spec }));
  const uses = kube.list(CONFIG_MAPS).map(({ data }) => data);
  return sorted({ volumes, secrets, rules, uses });
}

/** What the Secrets hold, in clear. */
export function contentSecrets(kube: FakeKube): string[] {
  return kube.list(SECRETS).map(({ data = {} }) =>
    Object.values(data)
      .map((value) => Buffer.from(value, 'base64').toString())
      .join(' '),
  );
}

/** What nobody put in order is compared in one. */
function sorted<T extends Readonly<Record<string, readonly unknown[]>>>(lists: T): unknown {
  const text = (value: unknown) => JSON.stringify(value) ?? '';
  return Object.fromEntries(
    Object.entries(lists).map(([name, list]) => [
      name,
      list.toSorted((a, b) => (text(a) < text(b) ? -1 : 1)),
    ]),
  );
}
