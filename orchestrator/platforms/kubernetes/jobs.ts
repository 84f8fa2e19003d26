import type { V1Pod, V1SecurityContext } from '@kubernetes/client-node';
import type { Pod } from '../../kubernetes/objects.ts';
import { copyDirectoryName } from '../../model/layout.ts';
import { jobLabels, jobName, type NamedVolume } from './names.ts';
import type { WorkloadContext } from './platform-options.ts';
import { readPod } from './pod-state.ts';
import { DATA_USER, NODE_DIRECTORY, UNPRIVILEGED } from './workloads.ts';

/**
 * What is done once in a node's directory, by the replica's image (replica/io/node-jobs.ts): make it
 * and its marker, look whether it is the one that was made, erase a copy in it.
 */
export type NodeJob =
  | { readonly kind: 'prepare'; readonly node: string }
  | { readonly kind: 'check'; readonly node: string }
  | { readonly kind: 'erase'; readonly node: string; readonly volume: NamedVolume };

export interface JobEnd {
  readonly exitCode: number;
  /** What it said last. */
  readonly sentence: string | undefined;
}

/** Gives a directory to the replicas, which may belong to root: all it takes, and nothing else. */
const OWNER_OF_ALL: V1SecurityContext = {
  ...UNPRIVILEGED.container,
  ...{ runAsNonRoot: false, runAsUser: 0, runAsGroup: 0 },
  capabilities: { drop: ['ALL'], add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'] },
};

/** @param suffix another one for each job */
export function jobPod(context: WorkloadContext, job: NodeJob, suffix: string): Pod {
  const { namespace, installationId, images, dataRoot } = context;
  const isPreparing = job.kind === 'prepare';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name: jobName(job.kind, job.node, suffix),
      labels: { ...jobLabels(job.node) },
    },
    spec: {
      // Bound from the beginning: no scheduler chooses, and a node that takes no pods takes this one.
      nodeName: job.node,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      tolerations: [{ operator: 'Exists' }],
      securityContext: isPreparing
        ? { seccompProfile: UNPRIVILEGED.pod.seccompProfile }
        : UNPRIVILEGED.pod,
      containers: [
        {
          name: 'job',
          image: images.replica,
          imagePullPolicy: 'IfNotPresent',
          args: [
            ...[`${job.kind}-${job.kind === 'erase' ? 'copy' : 'node'}`],
            ...['--directory', NODE_DIRECTORY, '--node', job.node],
            ...['--installation', installationId],
            ...(isPreparing ? ['--owner', String(DATA_USER)] : []),
            ...(job.kind === 'erase' ? ['--copy', copyDirectoryName(job.volume)] : []),
          ],
          resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
          securityContext: isPreparing ? OWNER_OF_ALL : UNPRIVILEGED.container,
          terminationMessagePolicy: 'FallbackToLogsOnError',
          volumeMounts: [{ name: 'node', mountPath: NODE_DIRECTORY }],
        },
      ],
      volumes: [
        {
          name: 'node',
          // Made once in a node's life: from then on a missing one is a missing disk.
          hostPath: { path: dataRoot, type: isPreparing ? 'DirectoryOrCreate' : 'Directory' },
        },
      ],
    },
  } satisfies V1Pod;
  return pod;
}

/** How a job ended; undefined while it has not. */
export function readJobEnd(pod: Pod): JobEnd | undefined {
  const { lastEnd, phase, failure } = readPod(pod);
  if (lastEnd !== undefined) return { exitCode: lastEnd.exitCode, sentence: lastEnd.words };
  return phase === 'ended' ? { exitCode: 1, sentence: failure } : undefined;
}
