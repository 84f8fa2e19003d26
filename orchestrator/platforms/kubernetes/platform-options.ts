import type { Clock } from '../../../replica/common/clock.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { Informer, KubeApi } from '../../kubernetes/kube-api.ts';
import type { KubeNode } from '../../kubernetes/objects.ts';
import type { NodeRecord } from '../../model/node.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import type { ProcessChange } from '../platform.ts';
import type { Probe } from '../prober.ts';

/** What all objects of an installation have in common. */
export interface WorkloadContext {
  /** Of the orchestrator, the controllers and the replicas. */
  readonly namespace: string;
  readonly installationId: string;
  readonly images: Readonly<Record<ProcessSpec['role'], string>>;
  /** Absolute path on every node, below which its copies are. */
  readonly dataRoot: string;
  /** Where controllers find the registry: an address, not a name. */
  readonly registryUrl: string;
}

export interface KubernetesPlatformOptions extends WorkloadContext {
  readonly api: KubeApi;
  /** Of the whole cluster; whoever made it closes it. */
  readonly clusterNodes: Informer<KubeNode>;
  /** The nodes that take copies or have some, as the registry knows them at this moment. */
  readonly nodes: () => readonly NodeRecord[];
  /** Every process that there should be at this moment, by key. */
  readonly wanted: () => ReadonlyMap<string, ProcessSpec>;
  /** From now on a missing directory of this node is a missing disk. */
  readonly onPrepared: (node: string) => Promise<void>;
  readonly onChange: (change: ProcessChange) => void;
  readonly log: Log;
  /** monotonicClock but in tests. */
  readonly clock?: Clock;
  /** probeByTcp but in tests. */
  readonly probe?: Probe;
}
