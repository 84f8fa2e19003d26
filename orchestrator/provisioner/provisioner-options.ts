import type { Log } from '../../replica/common/log.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import type { VolumeObject } from '../kubernetes/objects.ts';

/** What `startProvisioner` (provisioner.ts) stands on; only the pod that leads calls it. */
export interface ProvisionerOptions {
  readonly api: KubeApi;
  /** Of all namespaces. It stays open when the provisioner is closed. */
  readonly volumes: Informer<VolumeObject>;
  /** That of the StorageClasses it serves: `keelson.io`. */
  readonly provisionerName: string;
  /** This pod's: who reports, in Events. */
  readonly podName: string;
  /** The time of day, for conditions and Events. */
  readonly now: () => Date;
  readonly log: Log;
}

export interface Provisioner {
  /** Starts no more work; resolves when what is under way has ended. */
  close(): Promise<void>;
}
