import type { ApiClient } from '../../orchestrator/client/api-client.ts';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { addressOf, type VolumeName } from '../../orchestrator/model/volume.ts';
import { eventually } from './child.ts';

export interface HealthyLimits {
  /** The in-sync set has changed since: no loss goes unnoticed. */
  readonly afterGeneration: number;
  readonly withinMs: number;
  readonly everyMs: number;
}

/** All of its copies in sync and connected, and the orchestrator says so. */
export function whenHealthy(
  api: ApiClient,
  volume: VolumeName,
  { afterGeneration, ...limits }: HealthyLimits,
): Promise<VolumeView> {
  return eventually(
    `${addressOf(volume)} is healthy`,
    async () => {
      const view = await api.volume(volume);
      const { health, copies, replicas, membership } = view;
      const inSync = copies.filter(({ state, isConnected }) => state === 'in-sync' && isConnected);
      const isWhole = inSync.length === replicas + 1 && copies.length === replicas + 1;
      const isAfter = membership.generation > afterGeneration;
      return health === 'healthy' && isWhole && isAfter ? view : undefined;
    },
    limits,
  );
}
