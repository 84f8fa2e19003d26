import { PROTOCOL_VERSION } from '../../replica/protocol/constants.ts';
import type { CopyEntry } from './copies.ts';
import type { VolumeEffect } from './step.ts';

/** Who this controller is to its copies. */
export interface Introduction {
  readonly volumeId: string;
  readonly epoch: number;
  readonly instanceId: string;
}

/** Instead of a data id. */
export const WHATEVER_IS_THERE = null;

/**
 * Connects to a copy, or gives an existing connection its next hello. Without an address nothing
 * happens: the registration that brings it is on its way.
 *
 * @param dataId WHATEVER_IS_THERE for a copy that is to be synced anyway: it may be another directory
 *   or one that was rolled back
 */
export function connect(
  entry: CopyEntry,
  introduction: Introduction,
  effects: VolumeEffect[],
  dataId = entry.record.dataId,
): void {
  const { index: copy, address, replicaId } = entry;
  if (address === undefined) return;
  if (dataId === WHATEVER_IS_THERE && entry.record.dataId !== null) entry.hasUnknownContent = true;
  const session = dataId === WHATEVER_IS_THERE ? 0 : entry.record.session;
  const hello = { protocolVersion: PROTOCOL_VERSION, replicaId, dataId, session, ...introduction };
  effects.push({ kind: 'connect', copy, address, hello });
}
