import { createHash } from 'node:crypto';
import type {
  V1Affinity,
  V1Container,
  V1Deployment,
  V1NodeAffinity,
  V1PodSecurityContext,
  V1PodSpec,
  V1SecurityContext,
  V1Service,
  V1Volume,
} from '@kubernetes/client-node';
import { assert } from '../../../replica/common/assert.ts';
import {
  CONTROLLER_ADMIN_PORT,
  ISCSI_PORT,
  REPLICA_ADMIN_PORT,
  REPLICATION_PORT,
} from '../../../replica/common/limits.ts';
import { SECRET_VARIABLE } from '../../../replica/common/process-options.ts';
import type { Deployment, Service } from '../../kubernetes/objects.ts';
import { showEndpoint } from '../../model/address-plan.ts';
import { copyDirectoryName } from '../../model/layout.ts';
import { addressOf } from '../../model/volume.ts';
import type { ControllerProcess, ProcessSpec, ReplicaProcess } from '../../plan/processes.ts';
import {
  ANNOTATIONS,
  NAMES,
  processLabels,
  processName,
  processSelector,
  SERVING,
  volumeObjectName,
} from './names.ts';
import type { WorkloadContext } from './platform-options.ts';

const NODE_NAME_FIELD = 'metadata.name';

/** Where a node's directory is in a replica's container. */
export const NODE_DIRECTORY = '/node';

/** The user that the images of controller and replica run as (images/). */
export const DATA_USER = 65_532;

/** Longer than a controller takes to finish what is under way and to say goodbye (controller/io). */
const GRACE_SECONDS = 15;

const NO_PRIVILEGE = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} satisfies V1SecurityContext;

export const UNPRIVILEGED = {
  pod: {
    ...{ runAsNonRoot: true, runAsUser: DATA_USER, runAsGroup: DATA_USER },
    seccompProfile: { type: 'RuntimeDefault' },
  } satisfies V1PodSecurityContext,
  container: NO_PRIVILEGE,
};

/** In memory: a container must not be able to fill its node's disk. */
const TMP: V1Volume = { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } };

/**
 * A replica has no limit of memory: its page cache would count, and whatever reclaims that would hold
 * up its answers.
 */
const RESOURCES = {
  controller: { requests: { cpu: '10m', memory: '128Mi' }, limits: { memory: '1Gi' } },
  replica: { requests: { cpu: '10m', memory: '64Mi' } },
};

const COMMON_POD = {
  automountServiceAccountToken: false,
  // Or each pod would get the addresses of all volumes of the installation in its environment.
  enableServiceLinks: false,
  priorityClassName: NAMES.priority,
  terminationGracePeriodSeconds: GRACE_SECONDS,
  securityContext: UNPRIVILEGED.pod,
};

const PORTS: Readonly<Record<ProcessSpec['role'], readonly { name: string; port: number }[]>> = {
  controller: [
    { name: 'iscsi', port: ISCSI_PORT },
    { name: 'admin', port: CONTROLLER_ADMIN_PORT },
  ],
  replica: [
    { name: 'replication', port: REPLICATION_PORT },
    { name: 'admin', port: REPLICA_ADMIN_PORT },
  ],
};

/** A port that only answers once the process serves. */
export function adminPortOf(role: ProcessSpec['role']): number {
  return role === 'controller' ? CONTROLLER_ADMIN_PORT : REPLICA_ADMIN_PORT;
}

/**
 * The address that is asked for a process: PersistentVolumes name that of a controller and cannot be
 * changed, so it is the same again after Keelson was removed and installed again.
 */
export function wishedAddress(process: ProcessSpec): string | undefined {
  if (process.role !== 'controller') return undefined;
  return /^\[?([\da-f.:]+?)\]?:\d+$/.exec(process.lastPortal ?? '')?.[1];
}

/** The address of a process, for as long as its copy or its volume exists. */
export function serviceOf(
  { namespace }: WorkloadContext,
  process: ProcessSpec,
  address?: string,
): Service {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: processName(process), labels: { ...processLabels(process) } },
    spec: {
      type: 'ClusterIP',
      ...(address === undefined ? {} : { clusterIP: address }),
      selector: { ...processSelector(process), ...SERVING },
      // Whether a process can be used is found out by using it: nothing waits for a probe.
      publishNotReadyAddresses: true,
      ports: PORTS[process.role].map(({ name, port }) => ({ name, port, protocol: 'TCP' })),
    },
  } satisfies V1Service;
  return service;
}

/** What a controller's Deployment depends on besides its process. */
export interface ControllerPlace {
  /** The address of its Service. */
  readonly clusterIP: string;
  /** It is not to be started there. */
  readonly avoids: readonly string[];
}

/** One pod, near the copies of its volume, moved at once when its node is lost. */
export function controllerDeployment(
  context: WorkloadContext,
  process: ControllerProcess,
  { clusterIP, avoids }: ControllerPlace,
): Deployment {
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP;
  const args = [
    ...['--volume', addressOf(process.volume), '--listen', anyAddress(clusterIP.includes(':'))],
    ...['--portal', showEndpoint({ host, port: ISCSI_PORT }), '--registry', context.registryUrl],
    ...['--instance-prefix', '$(POD_UID)'],
  ];
  const uid = { name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } };
  const avoided = [...avoids].sort();
  return deploymentOf(context, process, {
    annotations: { [ANNOTATIONS.avoids]: JSON.stringify(avoided) },
    spec: {
      ...COMMON_POD,
      // Kubernetes waits 300 s before it moves a pod from a node that is lost, unless told otherwise.
      tolerations: ['not-ready', 'unreachable'].map((taint) => ({
        ...{ key: `node.kubernetes.io/${taint}`, operator: 'Exists', effect: 'NoExecute' },
        tolerationSeconds: 0,
      })),
      affinity: { nodeAffinity: nearCopies(process.nodes, avoided) },
      containers: [containerOf(context, process, { args, env: [uid] })],
      volumes: [TMP],
    },
  });
}

/** One pod on the node of its copy, whatever is the matter with that node, and on no other (I9). */
export function replicaDeployment(context: WorkloadContext, process: ReplicaProcess): Deployment {
  const { volume, replicaId, node } = process;
  const args = [
    ...['--volume', addressOf(volume), '--listen', anyAddress(context.registryUrl.includes('['))],
    ...['--volume-id', volume.id, '--replica-id', replicaId],
    ...['--data-dir', `${NODE_DIRECTORY}/${copyDirectoryName(volume)}`],
    ...['--size', String(volume.sizeBytes)],
    ...['--node', node, '--installation', context.installationId],
  ];
  const affinity = { nodeAffinity: onlyOn(node) };
  const deployment = deploymentOf(context, process, {
    annotations: { [ANNOTATIONS.node]: node },
    spec: {
      ...COMMON_POD,
      tolerations: [{ operator: 'Exists' }],
      affinity,
      containers: [
        containerOf(context, process, {
          args,
          volumeMounts: [{ name: 'node', mountPath: NODE_DIRECTORY }],
        }),
      ],
      // A directory that is missing is a disk that is missing: it must not be made.
      volumes: [TMP, { name: 'node', hostPath: { path: context.dataRoot, type: 'Directory' } }],
    },
  });
  assert(pinnedNodeOf(deployment) === node, 'a replica is pinned to the node of its copy (I9)', {
    key: process.key,
    node,
  });
  return deployment;
}

/** The only node that the pods of a Deployment may run on; undefined: not told, or several. */
export function pinnedNodeOf(deployment: Deployment): string | undefined {
  const spec = deployment.spec as V1Deployment['spec'];
  const required =
    spec?.template.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const [term, ...otherTerms] = required?.nodeSelectorTerms ?? [];
  const field = term?.matchFields?.find(({ key, operator }) => {
    return key === NODE_NAME_FIELD && operator === 'In';
  });
  const [node, ...otherNodes] = field?.values ?? [];
  return otherTerms.length === 0 && otherNodes.length === 0 ? node : undefined;
}

/** The nodes that a controller's Deployment keeps away from. */
export function avoidedBy(deployment: Deployment): readonly string[] {
  const text = deployment.spec?.template?.metadata?.annotations?.[ANNOTATIONS.avoids];
  try {
    const names: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return []; // somebody has changed it: as if it kept away from none
  }
}

/** Two of the same recipe differ in nothing but where their pods may run. */
export function recipeOf(deployment: Deployment): string | undefined {
  return deployment.spec?.template?.metadata?.annotations?.[ANNOTATIONS.recipe];
}

function deploymentOf(
  { namespace }: WorkloadContext,
  process: ProcessSpec,
  pod: {
    readonly spec: V1PodSpec & { readonly affinity: V1Affinity };
    readonly annotations: Record<string, string>;
  },
): Deployment {
  const labels = { ...processLabels(process) };
  const { affinity, ...unplaced } = pod.spec;
  const recipe = createHash('sha256').update(JSON.stringify(unplaced)).digest('hex').slice(0, 16);
  const annotations = { ...pod.annotations, [ANNOTATIONS.recipe]: recipe };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name: processName(process), labels },
    spec: {
      replicas: 1,
      // Nobody rolls back to what an earlier orchestrator made.
      revisionHistoryLimit: 0,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: { ...processSelector(process) } },
      template: {
        metadata: { labels: { ...labels, ...SERVING }, annotations },
        spec: { ...unplaced, affinity },
      },
    },
  } satisfies V1Deployment;
  return deployment;
}

function containerOf(
  { images }: WorkloadContext,
  { role, volume }: ProcessSpec,
  own: Pick<V1Container, 'env' | 'volumeMounts'> & { readonly args: string[] },
): V1Container {
  const { args, env = [], volumeMounts = [] } = own;
  const secret = { secretKeyRef: { name: volumeObjectName(volume), key: 'secret' } };
  return {
    name: role,
    image: images[role],
    imagePullPolicy: 'IfNotPresent',
    args,
    env: [...env, { name: SECRET_VARIABLE, valueFrom: secret }],
    ports: PORTS[role].map(({ name, port }) => ({ name, containerPort: port })),
    resources: RESOURCES[role],
    securityContext: NO_PRIVILEGE,
    // Its last words say why it ended.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    // No probes: a controller that holds I/O for a lost copy must not be killed for it.
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }, ...volumeMounts],
  };
}

function onlyOn(node: string): V1NodeAffinity {
  const matchFields = [{ key: NODE_NAME_FIELD, operator: 'In', values: [node] }];
  return {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
  };
}

/** @param nodes nearest first */
function nearCopies(nodes: readonly string[], avoided: readonly string[]): V1NodeAffinity {
  const near = [...new Set(nodes)].filter((node) => !avoided.includes(node));
  // Weights are 1 to 100: the first is worth more than the next, all are worth more than any other.
  const preferred = near.map((node, index) => ({
    weight: Math.max(1, 100 - 10 * index),
    preference: { matchFields: [{ key: NODE_NAME_FIELD, operator: 'In', values: [node] }] },
  }));
  const affinity = { preferredDuringSchedulingIgnoredDuringExecution: preferred };
  if (avoided.length === 0) return affinity;
  // One name per requirement is what Kubernetes takes here; all of a term must hold.
  const matchFields = avoided.map((node) => {
    return { key: NODE_NAME_FIELD, operator: 'NotIn', values: [node] };
  });
  return {
    ...affinity,
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
  };
}

function anyAddress(isIPv6: boolean): string {
  return isIPv6 ? '::' : '0.0.0.0';
}
