import { PROTOCOL_VERSION } from '../../replica/protocol/constants.ts';
import type { Welcome } from '../../replica/protocol/hello.ts';
import type { CopyEntry } from './copies.ts';
import { whyForeign } from './gathering.ts';
import { notice } from './notices.ts';
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
  // The record may be behind what this controller saw: its changes take time, or their answers fail.
  const seenSession = Math.max(record.session, entry.seenSession);
  const [dataId, session] = takesAny ? [null, 0] : [record.dataId, seenSession];
  const hello = { protocolVersion: PROTOCOL_VERSION, replicaId, dataId, session, ...introduction };
  effects.push({ kind: 'connect', copy, address, hello });
}

/** A copy answered the hello. Returns whether it is the one that the record speaks of. */
export function takeWelcome(
  entry: CopyEntry,
  welcome: Welcome,
  volume: { readonly introduction: Introduction; readonly sizeBytes: number },
  effects: VolumeEffect[],
): boolean {
  entry.welcome = welcome;
  entry.seenSession = welcome.session;
  entry.sizeBytes = welcome.sizeBytes;
  connect(entry, volume.introduction, effects); // the next hello asks for this session
  const { replicaId, record, index: copy } = entry;
  const { restart } = welcome;
  effects.push(notice('copy connected', { replica: replicaId, state: record.state, restart }));
  const reason = whyForeign(entry, volume.sizeBytes);
  if (reason === undefined) return true;
  effects.push(notice('copy cannot be used', { replica: replicaId, reason }));
  if (record.state === 'in-sync') entry.isForeign = entry.mustLeave = true;
  entry.welcome = undefined;
  effects.push({ kind: 'disconnect', copy, reason });
  return false;
}
