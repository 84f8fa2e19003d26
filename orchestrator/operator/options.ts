import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import type { KubeNode, RuleObject, VolumeObject } from '../kubernetes/objects.ts';

/** What `startOperator` (operator.ts) stands on; only the pod that leads calls it. */
export interface OperatorOptions {
  readonly api: KubeApi;
  readonly installation: Installation;
  /** The same that the store reads, made before: it has seen a change before we look at it. */
  readonly volumes: Informer<VolumeObject>;
  readonly rules: Informer<RuleObject>;
  readonly nodes: Informer<KubeNode>;
  /** The system namespace. */
  readonly namespace: string;
  /** This pod's: who reports, in Events. */
  readonly podName: string;
  /** The time of day, for conditions and Events. */
  readonly now: () => Date;
  readonly log: Log;
}

export interface Operator {
  /** Looks at nothing any more. An Event that is being written is finished first. */
  close(): Promise<void>;
}
