import { PROTOCOL_VERSION } from '../../replica/protocol/constants.ts';
import type { CopyEntry } from './copies.ts';
import type { VolumeEffect } from './step.ts';

/** Who this controller is to its copies. */
export interface Introduction {
  readonly volumeId: string;
  readonly epoch: number;
  readonly instanceId: string;
}

/**
 * Connects to a copy, or gives an existing connection its next hello. Without an address nothing
 * happens: the registration that brings it is on its way.
 *
 * @param dataId null to take whatever directory is there, also one that was rolled back
 */
export function connect(
  entry: CopyEntry,
  introduction: Introduction,
  effects: VolumeEffect[],
  dataId = entry.record.dataId,
): void {
  const { index: copy, address, replicaId } = entry;
  if (address === undefined) return;
  const session = dataId === null ? 0 : entry.record.session;
  const hello = { protocolVersion: PROTOCOL_VERSION, replicaId, dataId, session, ...introduction };
  effects.push({ kind: 'connect', copy, address, hello });
}
