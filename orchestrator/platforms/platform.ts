import type { NodeView } from '../model/view.ts';
import type { VolumeRecord } from '../model/volume.ts';
import type { ObservedProcess } from '../plan/plan.ts';
import type { ProcessSpec } from '../plan/processes.ts';

/** Where controllers and replicas run: child processes, a Docker engine, Kubernetes. */
export interface Platform {
  /** The processes of a volume (`namespace/name`) that it has started, dead ones included. */
  observe(volume: string): readonly ObservedProcess[];
  start(process: ProcessSpec): void;
  /** Asks it to stop cleanly, kills it when it does not; resolves when it is gone. */
  stop(key: string): Promise<void>;
  /** Deletes the data of all copies and forgets the volume's processes, which are all down. */
  erase(record: VolumeRecord): Promise<void>;
  nodes(): readonly Omit<NodeView, 'copyCount'>[];
  /** Stops everything, controllers before replicas. */
  close(): Promise<void>;
  /** Ends everything at once, for an operator who does not want to wait. */
  kill(): void;
}

export type ProcessChange =
  | { readonly kind: 'ready'; readonly process: ProcessSpec; readonly address: string }
  | {
      readonly kind: 'exited';
      readonly process: ProcessSpec;
      /** `signal SIGKILL`, or `code 1: ` and what it said. */
      readonly reason: string;
      /** It was asked to. */
      readonly isStopped: boolean;
      readonly quickExits: number;
    };
