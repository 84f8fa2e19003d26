import { addressOf, type VolumeName } from '../../model/volume.ts';
import { controllerKey, type ProcessSpec, replicaKey } from '../../plan/processes.ts';

/** Where orchestrator, controllers and replicas run, unless the manifests were changed. */
export const DEFAULT_SYSTEM_NAMESPACE = 'keelson-system';

/** Objects of which an installation has one; all but the last two are in the system namespace. */
export const NAMES = {
  /** Service of the pod that leads: for users. */
  api: 'keelson',
  /** Service of all orchestrator pods: for controllers. */
  registry: 'keelson-registry',
  /** Secret with the token of the API under `token`. */
  apiToken: 'keelson-api-token',
  /** Lease of the pod that leads. */
  leader: 'keelson-orchestrator',
  /** ConfigMap: per node whether it is cordoned, draining, prepared. */
  nodes: 'keelson-nodes',
  /** PriorityClass of controllers and replicas. */
  priority: 'keelson-data',
  /** ClusterRole: where it is bound, CHAP secrets may be read. */
  chapReader: 'keelson-chap-reader',
} as const;

/** Keeps a Volume until its data is gone. */
export const DATA_FINALIZER = 'keelson.io/data';

/** On the orchestrator's pods: `true` on the one that leads. */
export const LEADER_LABEL = 'keelson.io/leader';

/** On every object that a volume becomes, so that it is found again and people see what it is. */
export const LABELS = {
  app: 'app.kubernetes.io/name',
  managedBy: 'app.kubernetes.io/managed-by',
  /** Whole; of that name there may have been another volume. */
  volumeId: 'keelson.io/volume-id',
  volume: 'keelson.io/volume',
  volumeNamespace: 'keelson.io/volume-namespace',
  /** `controller`, `replica` or `job`. */
  role: 'keelson.io/role',
  replicaId: 'keelson.io/replica-id',
  /** On pods to which the address of their process leads: taken off one that is being stopped. */
  serves: 'keelson.io/serves',
  /** Where the copy is that this is about. For people: a name may be longer than a label. */
  node: 'keelson.io/node',
} as const;

/** What the platform reads of a pod template and of the pods made from it. */
export const ANNOTATIONS = {
  /** Digest of all it was made with but its place: another one means that it is made anew. */
  recipe: 'keelson.io/recipe',
  /** Of a controller: the nodes that it keeps away from, as JSON. */
  avoids: 'keelson.io/avoids',
  /** Of a replica: the node of its copy, whole. */
  node: 'keelson.io/node',
} as const;

/** On everything of ours that a volume becomes, and on jobs. */
export const MANAGED = { [LABELS.managedBy]: 'keelson' } as const;

export type ObjectLabels = Readonly<Record<string, string>>;

/** A volume as names are made of it. */
export interface NamedVolume extends VolumeName {
  readonly id: string;
}

/** Of a volume's name, in names of objects: so that all are host names (RFC 1123) with room left. */
const MAX_NAME_CHARS = 30;
/** Of its id: enough to tell volumes apart for people; the label has all of it. */
const ID_CHARS = 8;
/** Of the value of a label. */
const MAX_LABEL_CHARS = 63;
/** Of a node's name, in the name of a job. */
const MAX_NODE_CHARS = 100;

/** `v-NAME-ID8`: the Secret of a volume, and the beginning of its other names. */
export function volumeObjectName({ name, id }: NamedVolume): string {
  const start = name.slice(0, MAX_NAME_CHARS).replace(/-+$/, '');
  return `v-${start}-${id.slice(0, ID_CHARS)}`;
}

/** `v-NAME-ID8-controller`: its Deployment and its Service. */
export function controllerName(volume: NamedVolume): string {
  return `${volumeObjectName(volume)}-controller`;
}

/** `v-NAME-ID8-r1`: its Deployment and its Service. */
export function replicaName(volume: NamedVolume, replicaId: string): string {
  return `${volumeObjectName(volume)}-${replicaId}`;
}

export function processName(process: ProcessSpec): string {
  return process.role === 'controller'
    ? controllerName(process.volume)
    : replicaName(process.volume, process.replicaId);
}

/** @param suffix another one for each job: a name is free again only when its pod is gone */
export function jobName(what: 'prepare' | 'check' | 'erase', node: string, suffix: string): string {
  const start = node.slice(0, MAX_NODE_CHARS).replace(/[^a-z0-9]+$/, '');
  return `job-${what}-${start}-${suffix}`;
}

/** Labels of what belongs to a volume as a whole, like its Secret. */
export function volumeLabels({ namespace, name, id }: NamedVolume): ObjectLabels {
  return {
    [LABELS.app]: 'keelson',
    ...MANAGED,
    [LABELS.volumeId]: id,
    [LABELS.volume]: name,
    [LABELS.volumeNamespace]: namespace,
  };
}

/** Of the volume that these labels name (`volumeLabels`); undefined: they name none. */
export function volumeAddressIn(labels: ObjectLabels | undefined): string | undefined {
  const [namespace, name] = [labels?.[LABELS.volumeNamespace], labels?.[LABELS.volume]];
  return namespace === undefined || name === undefined ? undefined : addressOf({ namespace, name });
}

/** Labels of Deployment, pods and Service of a process; its pods have SERVING besides. */
export function processLabels(process: ProcessSpec): ObjectLabels {
  const labels = { ...volumeLabels(process.volume), [LABELS.role]: process.role };
  if (process.role === 'controller') return labels;
  return {
    ...labels,
    [LABELS.replicaId]: process.replicaId,
    [LABELS.node]: labelValue(process.node),
  };
}

export function jobLabels(node: string): ObjectLabels {
  return {
    [LABELS.app]: 'keelson',
    ...MANAGED,
    [LABELS.role]: 'job',
    [LABELS.node]: labelValue(node),
  };
}

/** What selects the pods of a process: what never changes of its labels. */
export function processSelector(process: ProcessSpec): ObjectLabels {
  const selector = {
    [LABELS.volumeId]: process.volume.id,
    [LABELS.role]: process.role,
  };
  if (process.role === 'controller') return selector;
  return { ...selector, [LABELS.replicaId]: process.replicaId };
}

/** Of pods of a process that are not being stopped. */
export const SERVING = { [LABELS.serves]: 'true' } as const;

/** Which process an object belongs to. */
export interface ObjectOwner {
  readonly volumeId: string;
  /** As ProcessSpec.key. */
  readonly key: string;
  readonly role: ProcessSpec['role'];
}

/** undefined for what is no controller's and no replica's: a job, a Secret, somebody else's. */
export function readOwner(labels: ObjectLabels | undefined): ObjectOwner | undefined {
  if (labels?.[LABELS.managedBy] !== MANAGED[LABELS.managedBy]) return undefined;
  const read = (label: string): string => labels[label] ?? '';
  const volumeId = read(LABELS.volumeId);
  const address = addressOf({
    namespace: read(LABELS.volumeNamespace),
    name: read(LABELS.volume),
  });
  const role = read(LABELS.role);
  if (role === 'controller') return { volumeId, key: controllerKey(address), role };
  if (role === 'replica') {
    return { volumeId, key: replicaKey(address, read(LABELS.replicaId)), role };
  }
  return undefined;
}

/** A label has to end with a letter or a digit. */
function labelValue(text: string): string {
  return text.slice(0, MAX_LABEL_CHARS).replace(/[^a-zA-Z0-9]+$/, '');
}
