import type { Copy, Membership } from '../../../../controller/protocol/membership.ts';
import { Copies, type CopyEntry } from '../../../../controller/volume/copies.ts';
import type { ByteRange } from '../../../../replica/common/ranges.ts';
import type { Restart, Welcome } from '../../../../replica/protocol/hello.ts';

export const SIZE_BYTES = 1024 * 1024;
export const OWNER = { instanceId: 'i1', address: 'host:3260' };

export function makeCopy(fields: Partial<Copy> = {}): Copy {
  return { node: 'n1', dataId: 'd', state: 'in-sync', generation: 1, session: 1, ...fields };
}

/** Version 7, generation 3, epoch 2, held by `OWNER`; copies r0, r1, … as given. */
export function makeRecord(
  copies: readonly Partial<Copy>[],
  fields: Partial<Membership> = {},
): Membership {
  return {
    ...{ version: 7, epoch: 2, controller: OWNER, generation: 3, losses: 0 },
    sizeBytes: SIZE_BYTES,
    copies: Object.fromEntries(copies.map((copy, index) => [`r${index}`, makeCopy(copy)])),
    ...fields,
  };
}

export function makeWelcome(fields: Partial<Welcome> = {}): Welcome {
  return {
    ...{ protocolVersion: 4, volumeId: 'v1', replicaId: 'r0', dataId: 'd', sizeBytes: SIZE_BYTES },
    ...{ isPristine: false, session: 1, lastSeq: 0, restart: 'none', tail: [], leases: [] },
    attribute: '',
    ...fields,
  };
}

/** A copy that restarted with these extents hot. */
export function restarted(restart: Restart, ...tail: ByteRange[]): Welcome {
  return makeWelcome({ restart, tail });
}

/** Entries of these copies, each connected unless its change says otherwise. */
export function makeEntries(
  copies: readonly (Partial<CopyEntry> & { copy?: Partial<Copy> })[],
): readonly CopyEntry[] {
  const { entries } = new Copies(makeRecord(copies.map(({ copy }) => copy ?? {})));
  for (const [index, { copy: _copy, ...change }] of copies.entries()) {
    Object.assign(entries[index]!, { welcome: makeWelcome(), ...change });
  }
  return entries;
}
