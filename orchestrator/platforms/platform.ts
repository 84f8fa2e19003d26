import type { VolumeSpec } from '../../controller/protocol/registration.ts';
import type { AddressPlan } from '../model/address-plan.ts';
import type { ProcessIdentity } from '../model/instance.ts';
import type { PlatformName } from '../model/view.ts';
import type { RemovedCopy, VolumeRecord } from '../model/volume.ts';
import type { ObservedNode, ObservedProcess } from '../plan/observed.ts';
import type { ProcessSpec } from '../plan/processes.ts';

/** Where controllers and replicas run: child processes, a Docker engine, Kubernetes. */
export interface Platform {
  readonly name: PlatformName;
  readonly addresses: AddressPlan;
  /** The processes of a volume (`namespace/name`) that it has started, dead ones included. */
  observe(volume: string): readonly ObservedProcess[];
  /** Looks at every node, now. */
  observeNodes(): readonly PlatformNode[];
  start(process: ProcessSpec): void;
  /** Asks it to stop cleanly, kills it when it does not; resolves when it is gone. */
  stop(key: string): Promise<void>;
  /** Deletes the data of one copy and forgets its process, which is down. */
  eraseCopy(volume: VolumeSpec, copy: RemovedCopy): Promise<void>;
  /**
   * Deletes the data of all copies and forgets the volume's processes, which are all down. Returns
   * what it had to leave behind, on nodes that are down.
   */
  erase(record: VolumeRecord): Promise<readonly string[]>;
  /**
   * Why a controller of this name is not to take its volume, where a platform can tell: it was replaced,
   * and something that nobody can reach has started it once more.
   */
  whyReplaced?(instanceId: string): string | undefined;
  /** Stops everything, controllers before replicas. */
  close(): Promise<void>;
  /** Ends everything at once, for an operator who does not want to wait. */
  kill(): void;
}

export interface PlatformNode extends Pick<ObservedNode, 'name' | 'down'> {
  readonly address: string;
  readonly directory: string;
}

export type ProcessChange =
  /** Told before `start` returns, so that it is noted before the controller can ask for anything. */
  | {
      readonly kind: 'controller-started';
      readonly process: ProcessSpec;
      readonly instanceId: string;
      readonly identity: ProcessIdentity;
    }
  | { readonly kind: 'ready'; readonly process: ProcessSpec; readonly address: string }
  | {
      readonly kind: 'exited';
      readonly process: ProcessSpec;
      /** Of a controller: what it calls itself in the membership record. */
      readonly instanceId: string | undefined;
      /** `signal SIGKILL`, or `code 1: ` and what it said. */
      readonly reason: string;
      /** It was asked to. */
      readonly isStopped: boolean;
      readonly quickExits: number;
    }
  /**
   * The end of a controller that counted as exited, and that nobody had seen until now. On Kubernetes
   * the place of all that ran in one pod (controller/protocol/instance-id.ts).
   */
  | { readonly kind: 'instance-gone'; readonly process: ProcessSpec; readonly instanceId: string }
  /** It has not begun, and will not before somebody does something. */
  | { readonly kind: 'held-up'; readonly process: ProcessSpec; readonly reason: string }
  /** Somebody holds it, or lets it go on. */
  | { readonly kind: 'paused'; readonly process: ProcessSpec; readonly isPaused: boolean }
  /** A node went away or is back. */
  | { readonly kind: 'nodes-changed' };
