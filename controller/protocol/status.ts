import type { ChapMode } from './chap-credentials.ts';
import type { CopyState } from './membership.ts';

/** What a controller's admin port answers at /status. */
export interface ControllerStatus {
  readonly volume: string;
  readonly instanceId: string;
  readonly epoch: number;
  readonly generation: number;
  readonly health: Health;
  readonly target: {
    readonly name: string;
    readonly portal: string;
    readonly sessions: number;
    /** What initiators must prove at a login now. */
    readonly chap: ChapMode;
  };
  readonly copies: readonly CopyStatus[];
  readonly lz4: string;
}

/** healthy: all copies in sync; degraded: fewer; unavailable: the failure mode forbids I/O. */
export type Health = 'healthy' | 'degraded' | 'unavailable';

export interface CopyStatus {
  readonly replicaId: string;
  readonly node: string;
  readonly state: CopyState;
  readonly isConnected: boolean;
  readonly isPrimary: boolean;
  /** Only while syncing. */
  readonly sync?: SyncProgress;
}

export interface SyncProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Known to differ and not moved yet; of the rest of `totalBytes` only the hashes are compared. */
  readonly differenceBytes: number;
  readonly bytesPerSecond: number;
  /** 0 also while there is no rate yet to tell it from. */
  readonly etaSeconds: number;
}
