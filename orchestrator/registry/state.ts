import { decodeMembership } from '../../controller/protocol/membership.ts';
import { decodeVolumeSpec } from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import {
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readString,
} from '../../replica/common/validate.ts';
import { MAX_NODES, MAX_SLOTS } from '../model/layout.ts';
import { addressOf, decodeLabels, type VolumeRecord } from '../model/volume.ts';

/** What the state file holds. */
export interface State {
  readonly nodeCount: number;
  /** By `namespace/name`. */
  readonly volumes: ReadonlyMap<string, VolumeRecord>;
}

export function encodeState(state: State): string {
  const { nodeCount, volumes } = state;
  return `${JSON.stringify({ nodeCount, volumes: [...volumes.values()] }, null, 1)}\n`;
}

/** Errors: INVALID_ARGUMENT, when another program wrote it. */
export function decodeState(value: unknown): State {
  const fields = readObject(value, 'state');
  const volumes = new Map<string, VolumeRecord>();
  const slots = new Set<number>();
  for (const entry of readArray(fields, 'volumes', MAX_SLOTS)) {
    const record = decodeRecord(entry);
    const address = addressOf(record.spec);
    if (volumes.has(address) || slots.has(record.slot)) {
      throw new KeelsonError('INVALID_ARGUMENT', `state: ${address} or its slot is there twice`);
    }
    volumes.set(address, record);
    slots.add(record.slot);
  }
  return { nodeCount: readInteger(fields, 'nodeCount', { min: 1, max: MAX_NODES }), volumes };
}

function decodeRecord(value: unknown): VolumeRecord {
  const fields = readObject(value, 'volume record');
  return {
    spec: decodeVolumeSpec(fields.spec),
    labels: decodeLabels(fields.labels),
    slot: readInteger(fields, 'slot', { min: 0, max: MAX_SLOTS - 1 }),
    secret: readString(fields, 'secret', 64),
    isDeleting: readBoolean(fields, 'isDeleting'),
    membership: decodeMembership(fields.membership),
  };
}
