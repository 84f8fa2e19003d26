import type { ChapMode } from '../../controller/protocol/chap-credentials.ts';
import type { CopyState } from '../../controller/protocol/membership.ts';
import type { FailureMode } from '../../controller/protocol/registration.ts';
import type { Health, SyncProgress } from '../../controller/protocol/status.ts';
import type { Labels, PolicyField } from './labels.ts';
import type { RuleFields } from './rule.ts';

/** What the API answers; the shapes that client and CLI rely on. No secret is ever part of one. */
export interface VolumeView {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** As it is to be. */
  readonly sizeBytes: number;
  /** As its initiators see it: smaller until every copy has grown. */
  readonly servedBytes: number;
  readonly replicas: number;
  readonly failureMode: FailureMode;
  readonly failureTolerance: number;
  /** As they were given to the volume itself. */
  readonly labels: Labels;
  /** Of the driver or the class that made it. */
  readonly defaults: Labels;
  /** What decided each part of the policy: `label NAME`, `rule NAMESPACE/NAME`, `defaults`, `built in`. */
  readonly origins: Readonly<Record<PolicyField, string>>;
  /** What initiators must prove, without how. */
  readonly chap: ChapMode;
  /** Names that may log in; empty: all. */
  readonly initiators: readonly string[];
  readonly isDeleting: boolean;
  readonly health: Health;
  /** What keeps it from what it should be, in plain words. */
  readonly notes: readonly string[];
  /** `host:port` of the iSCSI portal. */
  readonly portal: string;
  readonly targetName: string;
  readonly membership: {
    readonly version: number;
    readonly epoch: number;
    readonly generation: number;
  };
  readonly controller: {
    readonly process: ProcessState;
    /** Initiators that are logged in; null when the controller does not answer. */
    readonly sessions: number | null;
  };
  readonly copies: readonly CopyView[];
}

export interface CopyView {
  readonly replicaId: string;
  readonly node: string;
  readonly state: CopyState;
  readonly process: ProcessState;
  readonly isConnected: boolean;
  readonly isPrimary: boolean;
  /** It is to go; it stays until another one is in-sync. */
  readonly isLeaving: boolean;
  /** Only while syncing. */
  readonly sync?: SyncProgress;
}

export const PROCESS_STATES = ['starting', 'ready', 'stopping', 'down'] as const;
export type ProcessState = (typeof PROCESS_STATES)[number];

export interface RuleView extends RuleFields {
  /** Addresses of the volumes that it selects now, whether or not it decides anything about them. */
  readonly volumes: readonly string[];
}

export interface NodeView {
  readonly name: string;
  readonly address: string;
  readonly directory: string;
  readonly copyCount: number;
  /** Those that it holds, sorted by volume; all that is left of a removed one is not among them. */
  readonly copies: readonly NodeCopyView[];
  /** No new copies go there. */
  readonly isCordoned: boolean;
  /** Its copies move to other nodes; it is cordoned as well. */
  readonly isDraining: boolean;
  /** Why nothing can be started there; null when it can. */
  readonly downReason: string | null;
}

export interface NodeCopyView {
  /** `namespace/name`. */
  readonly volume: string;
  readonly replicaId: string;
  readonly state: CopyState;
}

export const PLATFORM_NAMES = ['process', 'docker', 'kubernetes'] as const;
/** Where controllers and replicas run. */
export type PlatformName = (typeof PLATFORM_NAMES)[number];

export interface VersionView {
  readonly version: string;
  readonly platform: PlatformName;
}

/** A change of state in plain words. */
export interface EventView {
  readonly sequence: number;
  /** ISO 8601. */
  readonly time: string;
  /** `namespace/name`. */
  readonly volume: string;
  readonly message: string;
}
