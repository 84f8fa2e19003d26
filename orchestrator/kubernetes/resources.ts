import type {
  AnyObject,
  Claim,
  ConfigMap,
  Deployment,
  DisruptionBudget,
  KubeNode,
  KubeObject,
  Lease,
  PersistentVolume,
  Pod,
  RuleObject,
  Secret,
  Service,
  StorageClass,
  VolumeObject,
} from './objects.ts';

/** One kind of object, and where the server has it. */
export interface Resource<T extends KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  /** As in the path. */
  readonly plural: string;
  readonly isNamespaced: boolean;
  /** Only for the type: there is none at run time. */
  readonly example?: T;
}

function namespaced<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  plural: string,
): Resource<T> {
  return { apiVersion, kind, plural, isNamespaced: true };
}

function global<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  plural: string,
): Resource<T> {
  return { apiVersion, kind, plural, isNamespaced: false };
}

/** Ours. */
export const GROUP = 'keelson.io';
export const VOLUMES = namespaced<VolumeObject>(`${GROUP}/v1alpha1`, 'Volume', 'volumes');
export const RULES = namespaced<RuleObject>(`${GROUP}/v1alpha1`, 'Rule', 'rules');

/** Kubernetes' own; stable ones alone. */
export const PODS = namespaced<Pod>('v1', 'Pod', 'pods');
export const SERVICES = namespaced<Service>('v1', 'Service', 'services');
export const SECRETS = namespaced<Secret>('v1', 'Secret', 'secrets');
export const CONFIG_MAPS = namespaced<ConfigMap>('v1', 'ConfigMap', 'configmaps');
export const EVENTS = namespaced<AnyObject>('v1', 'Event', 'events');
export const CLAIMS = namespaced<Claim>('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
export const DEPLOYMENTS = namespaced<Deployment>('apps/v1', 'Deployment', 'deployments');
export const LEASES = namespaced<Lease>('coordination.k8s.io/v1', 'Lease', 'leases');
export const DISRUPTION_BUDGETS = namespaced<DisruptionBudget>(
  'policy/v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
);
/** The same under its name before Kubernetes 1.21, for clusters that do not have the other. */
export const OLD_DISRUPTION_BUDGETS: typeof DISRUPTION_BUDGETS = {
  ...DISRUPTION_BUDGETS,
  apiVersion: 'policy/v1beta1',
};
export const NAMESPACES = global<KubeObject>('v1', 'Namespace', 'namespaces');
export const NODES = global<KubeNode>('v1', 'Node', 'nodes');
export const PERSISTENT_VOLUMES = global<PersistentVolume>(
  'v1',
  'PersistentVolume',
  'persistentvolumes',
);
export const STORAGE_CLASSES = global<StorageClass>(
  'storage.k8s.io/v1',
  'StorageClass',
  'storageclasses',
);
