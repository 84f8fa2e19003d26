import { mapFields } from '../../../../../orchestrator/model/policy.ts';
import type { VolumeView } from '../../../../../orchestrator/model/view.ts';

/** A volume of three copies on n1, n2, n3, of which all is well. */
export function makeView(changes: Partial<VolumeView> = {}): VolumeView {
  return {
    ...{ id: 'id1', namespace: 'default', name: 'demo' },
    ...{ sizeBytes: 1024 ** 3, servedBytes: 1024 ** 3 },
    ...{ replicas: 2, failureMode: 'soft', failureTolerance: 1 },
    ...{ labels: {}, defaults: {}, origins: mapFields(() => 'built in') },
    ...{ chap: 'none', initiators: [], isDeleting: false, health: 'healthy', notes: [] },
    ...{ portal: '10.0.0.9:3260', targetName: 'iqn.2026-11.io.keelson:default:demo' },
    membership: { version: 1, epoch: 1, generation: 1 },
    controller: { process: 'ready', sessions: 1 },
    copies: [1, 2, 3].map((number) => ({
      ...{ replicaId: `r${number}`, node: `n${number}`, state: 'in-sync', process: 'ready' },
      ...{ isConnected: true, isPrimary: number === 1, isLeaving: false },
    })),
    ...changes,
  };
}
