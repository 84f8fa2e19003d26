import { chapModeOf } from '../../controller/protocol/chap-credentials.ts';
import type { ControllerStatus, Health } from '../../controller/protocol/status.ts';
import { targetNameOf } from '../../controller/protocol/target-name.ts';
import { type AddressPlan, showEndpoint } from '../model/address-plan.ts';
import { mapFields, showOrigin } from '../model/policy.ts';
import type { CopyView, ProcessState, VolumeView } from '../model/view.ts';
import { addressOf, placeOf, type VolumeRecord } from '../model/volume.ts';
import type { ObservedProcess } from '../plan/observed.ts';
import { controllerKey, replicaKey } from '../plan/processes.ts';

/** What is known of a volume besides its record. */
export interface SeenVolume {
  /** What its controller says, if it answers. */
  readonly status: ControllerStatus | undefined;
  readonly processes: readonly ObservedProcess[];
  readonly notes: readonly string[];
  readonly addresses: AddressPlan;
}

/**
 * One volume as users see it: what should be, what the record says, which processes run, and what
 * the controller says, if it answers.
 */
export function makeVolumeView(record: VolumeRecord, seen: SeenVolume): VolumeView {
  const { status, processes, notes, addresses } = seen;
  const { id, namespace, name, sizeBytes, replicas, failureMode, failureTolerance, initiators } =
    record.spec;
  const { version, epoch, generation } = record.membership;
  const address = addressOf(record.spec);
  return {
    id,
    namespace,
    name,
    sizeBytes,
    servedBytes: record.membership.sizeBytes,
    replicas,
    failureMode,
    failureTolerance,
    labels: record.labels,
    defaults: record.defaults,
    origins: mapFields((field) => showOrigin(record.origins[field])),
    chap: chapModeOf(record.chap),
    initiators,
    isDeleting: record.isDeleting,
    health: healthOf(record, status),
    notes,
    portal: showEndpoint(addresses.portal(placeOf(record))),
    targetName: targetNameOf(record.spec),
    membership: { version, epoch, generation },
    controller: {
      process: stateOf(processes, controllerKey(address)),
      sessions: status?.target.sessions ?? null,
    },
    copies: Object.entries(record.membership.copies).map(([replicaId, copy]): CopyView => {
      const live = status?.copies.find((candidate) => candidate.replicaId === replicaId);
      return {
        replicaId,
        node: copy.node,
        state: copy.state,
        process: stateOf(processes, replicaKey(address, replicaId)),
        isConnected: live?.isConnected ?? false,
        isPrimary: live?.isPrimary ?? false,
        isLeaving: record.leaving.includes(replicaId),
        ...(live?.sync === undefined ? {} : { sync: live.sync }),
      };
    }),
  };
}

/** The controller knows only of the replicas that were in sync before: more may be on their way. */
function healthOf(
  { spec, membership }: VolumeRecord,
  status: ControllerStatus | undefined,
): Health {
  if (status === undefined) return 'unavailable';
  const copies = Object.values(membership.copies);
  const isWhole = copies.filter(({ state }) => state === 'in-sync').length > spec.replicas;
  return status.health === 'healthy' && !isWhole ? 'degraded' : status.health;
}

function stateOf(processes: readonly ObservedProcess[], key: string): ProcessState {
  return processes.find((process) => process.key === key)?.state ?? 'down';
}
