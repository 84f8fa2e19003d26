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
 * A copy of unknown content is taken whatever its directory is, but not before the record says that
 * nothing is known of it: this hello counts a session, which would hide a roll-back from the next
 * controller (I5).
 */
export function connect(
  entry: CopyEntry,
  introduction: Introduction,
  effects: VolumeEffect[],
): void {
  const { index: copy, address, replicaId, record } = entry;
  if (address === undefined) return;
  const takesAny = entry.hasUnknownContent && record.generation === 0;
  const [dataId, session] = takesAny ? [null, 0] : [record.dataId, record.session];
  const hello = { protocolVersion: PROTOCOL_VERSION, replicaId, dataId, session, ...introduction };
  effects.push({ kind: 'connect', copy, address, hello });
}
