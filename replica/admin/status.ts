import type { ReplicaStatus } from '../core/step.ts';

/** What a replica's admin port answers at /status. */
export interface ReplicaAdminStatus extends ReplicaStatus {
  /** namespace/name */
  readonly volume: string;
  /** Space that the data file really takes. */
  readonly allocatedBytes: number;
  readonly lz4: string;
}

export function makeAdminStatus(
  status: ReplicaStatus,
  facts: { readonly volume: string; readonly allocatedBytes: number; readonly lz4: string },
): ReplicaAdminStatus {
  return { ...facts, ...status };
}
