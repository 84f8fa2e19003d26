import { KeelsonError } from '../../replica/common/errors.ts';
import { parseJson, readBoolean, readObject } from '../../replica/common/validate.ts';
import type { ConfigMap, KubeNode } from '../kubernetes/objects.ts';
import type { NodeRecord } from '../model/node.ts';

/** What the ConfigMap remembers of a node, as JSON under its name. */
type StoredUse = Pick<NodeRecord, 'isCordoned' | 'isDraining' | 'isPrepared'>;

export interface NodeSources {
  readonly nodes: readonly KubeNode[];
  readonly uses: ConfigMap | undefined;
  /** Labels of the nodes that take copies; undefined: all but those that are tainted. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  /** Nodes with copies or remains of copies: they stay, whatever became of them. */
  readonly holders: ReadonlySet<string>;
}

const UNUSED: StoredUse = { isCordoned: false, isDraining: false, isPrepared: false };

/** What cannot be read: nothing new is put there, and its directory is not made a second time. */
const UNREADABLE: StoredUse = { isCordoned: true, isDraining: false, isPrepared: true };

/** Of a node itself, put on and taken off by Kubernetes as the node comes and goes. */
const OF_KUBERNETES = 'node.kubernetes.io/';

const KEEPS_OFF = ['NoSchedule', 'NoExecute'];

/** The nodes of the installation, sorted by name. */
export function nodeRecords({ nodes, uses, selector, holders }: NodeSources): NodeRecord[] {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
  const taking = nodes.filter((node) => takesCopies(node, selector));
  const names = new Set([...taking.map(({ metadata }) => metadata.name), ...holders]);
  return [...names].sort().map((name, index) => {
    const use = readUse(uses, name);
    const node = byName.get(name);
    const isOpen = node !== undefined && taking.includes(node) && !isUnschedulable(node);
    return { name, number: index + 1, ...use, isCordoned: use.isCordoned || !isOpen };
  });
}

/**
 * What to store of the nodes that a change is about, as a merge patch of the ConfigMap's data;
 * undefined: nothing.
 *
 * Errors: FAILED_PRECONDITION, for what is Kubernetes' to decide.
 */
export function usesPatch(
  before: readonly NodeRecord[],
  after: readonly NodeRecord[],
  { nodes, uses }: Pick<NodeSources, 'nodes' | 'uses'>,
): Readonly<Record<string, string | null>> | undefined {
  const patch: Record<string, string | null> = {};
  for (const was of before) {
    const { name } = was;
    const is = after.find((node) => node.name === name);
    const node = nodes.find(({ metadata }) => metadata.name === name);
    if (is === was) continue;
    if (is === undefined) {
      refuseRemoval(name, node);
      if (uses?.data?.[name] !== undefined) patch[name] = null;
      continue;
    }
    if (was.isCordoned && !is.isCordoned) refuseUncordon(name, node);
    const use = readUse(uses, name);
    patch[name] = JSON.stringify({
      isCordoned: is.isCordoned === was.isCordoned ? use.isCordoned : is.isCordoned,
      isDraining: is.isDraining,
      isPrepared: is.isPrepared,
    } satisfies StoredUse);
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function refuseRemoval(name: string, node: KubeNode | undefined): void {
  if (node === undefined) return;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `remove node ${name}: it is a node of the cluster, and would be back at once; remove it there ` +
      `first (kubectl delete node ${name}), or only move its copies: keelson node drain ${name}`,
  );
}

function refuseUncordon(name: string, node: KubeNode | undefined): void {
  if (node === undefined || !isUnschedulable(node)) return;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `uncordon node ${name}: it is cordoned in Kubernetes; run kubectl uncordon ${name}`,
  );
}

function takesCopies(node: KubeNode, selector: NodeSources['selector']): boolean {
  const { labels = {} } = node.metadata;
  if (selector !== undefined) {
    return Object.entries(selector).every(([label, value]) => labels[label] === value);
  }
  const taints = node.spec?.taints ?? [];
  return taints.every(({ key, effect }) => {
    return key.startsWith(OF_KUBERNETES) || !KEEPS_OFF.includes(effect);
  });
}

function isUnschedulable({ spec }: KubeNode): boolean {
  return spec?.unschedulable === true;
}

function readUse(uses: ConfigMap | undefined, name: string): StoredUse {
  const text = uses?.data?.[name];
  if (text === undefined) return UNUSED;
  try {
    const fields = readObject(parseJson(text, name), name);
    return {
      isCordoned: readBoolean(fields, 'isCordoned'),
      isDraining: readBoolean(fields, 'isDraining'),
      isPrepared: readBoolean(fields, 'isPrepared'),
    };
  } catch (error) {
    if (error instanceof KeelsonError) return UNREADABLE;
    throw error;
  }
}
