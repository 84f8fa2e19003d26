import { addressOf } from '../../model/volume.ts';
import type { ProcessSpec } from '../../plan/processes.ts';

/**
 * What is written on every container and network of an installation, so that an orchestrator that
 * knows nothing of them finds them again and people see what they are.
 */
export const LABELS = {
  installation: 'io.keelson.installation',
  role: 'io.keelson.role',
  /** The process that it is a run of; see ProcessSpec.key. */
  key: 'io.keelson.process',
  volume: 'io.keelson.volume',
  volumeId: 'io.keelson.volume-id',
  node: 'io.keelson.node',
  /** Of a controller: what it calls itself in the membership record. */
  instance: 'io.keelson.instance',
  /** Of a network: the slot of its volume. */
  slot: 'io.keelson.slot',
  /** Digest of all it was made with: another one means that it is made anew. */
  recipe: 'io.keelson.recipe',
} as const;

/** A holder has the address of a volume's controllers, one after the other (ADR 0023). */
export type ContainerRole = ProcessSpec['role'] | 'holder';

export type ContainerLabels = Readonly<Record<string, string>>;

/** What the labels of a container of ours say. */
export interface ContainerIdentity {
  readonly role: ContainerRole;
  /** Of a holder: its controller's. */
  readonly key: string;
  readonly volume: string;
  readonly volumeId: string;
  readonly node: string;
  readonly instanceId: string | undefined;
  readonly recipe: string;
}

export function labelsOf(
  spec: ProcessSpec,
  facts: {
    readonly installation: string;
    readonly node: string;
    readonly instanceId?: string;
  },
  role: ContainerRole = spec.role,
): ContainerLabels {
  return {
    [LABELS.installation]: facts.installation,
    [LABELS.role]: role,
    [LABELS.key]: spec.key,
    [LABELS.volume]: addressOf(spec.volume),
    [LABELS.volumeId]: spec.volume.id,
    [LABELS.node]: facts.node,
    ...(facts.instanceId === undefined ? {} : { [LABELS.instance]: facts.instanceId }),
  };
}

/** undefined for a container of none of these roles: a job on a node. */
export function readIdentity(labels: ContainerLabels): ContainerIdentity | undefined {
  const role = labels[LABELS.role];
  if (role !== 'controller' && role !== 'replica' && role !== 'holder') return undefined;
  const read = (name: string): string => labels[name] ?? '';
  return {
    ...{ role, key: read(LABELS.key), volume: read(LABELS.volume) },
    ...{ volumeId: read(LABELS.volumeId), node: read(LABELS.node), recipe: read(LABELS.recipe) },
    instanceId: labels[LABELS.instance],
  };
}
