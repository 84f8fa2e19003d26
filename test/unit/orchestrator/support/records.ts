import {
  type Membership,
  makeInitialMembership,
} from '../../../../controller/protocol/membership.ts';
import { mapFields } from '../../../../orchestrator/model/policy.ts';
import type { VolumeRecord } from '../../../../orchestrator/model/volume.ts';

/** The record of a volume with copies r1, r2 … on node1, node2 … */
export function makeRecord(changes: Partial<VolumeRecord> & { copyCount?: number }): VolumeRecord {
  const { copyCount = 2, ...rest } = changes;
  return {
    spec: {
      id: 'id1',
      namespace: 'default',
      name: 'demo',
      sizeBytes: 1024 ** 2,
      replicas: copyCount - 1,
      failureMode: 'soft',
      failureTolerance: 1,
      initiators: [],
      allowsSanitize: false,
    },
    labels: {},
    defaults: {},
    origins: mapFields(() => ({ from: 'built in' })),
    slot: 3,
    secret: 'ab'.repeat(32),
    chap: null,
    isDeleting: false,
    membership: makeInitialMembership(
      Array.from({ length: copyCount }, (_, index) => ({
        replicaId: `r${index + 1}`,
        node: `node${index + 1}`,
      })),
      1024 ** 2,
    ),
    establishedReplicas: copyCount - 1,
    revision: 1,
    nextReplicaNumber: copyCount + 1,
    leaving: [],
    removed: [],
    goneInstances: [],
    ...rest,
  };
}

/** What a controller that takes the volume asks the registry to store. */
export function claimed(membership: Membership, instanceId: string): Membership {
  return {
    ...membership,
    version: membership.version + 1,
    epoch: membership.epoch + 1,
    generation: membership.generation + 1,
    controller: { instanceId, address: '10.0.0.1:3260' },
  };
}
