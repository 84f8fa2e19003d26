import { KeelsonError } from '../../replica/common/errors.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { NodeCopyView, VolumeView } from '../model/view.ts';
import { addressOf } from '../model/volume.ts';
import { formatCopies } from './format.ts';
import type { Aim } from './waiting.ts';

/** More would scroll away what is above. */
const MAX_NAMED = 5;

/** That a draining node holds no copy any more. */
export function waitForDrain(client: ApiClient, name: string): Aim {
  return {
    what: `node ${name} is empty`,
    goesOn: `it goes on draining; keelson node uncordon ${name} ends that`,
    look: async () => {
      const { copies, isDraining } = await client.node(name);
      if (copies.length === 0) return { missing: undefined };
      if (!isDraining) throw notDraining(name, copies);
      const moving = new Set(copies.map(({ volume }) => volume));
      const volumes = await client.volumes({});
      const concerned = volumes.filter((volume) => moving.has(addressOf(volume)));
      const named = copies.slice(0, MAX_NAMED).map((copy) => describe(copy, concerned));
      const more = copies.length > MAX_NAMED ? ', …' : '';
      return {
        missing: `${countOf(copies)}: ${named.join(', ')}${more}`,
        drawn: concerned.slice(0, MAX_NAMED).map(drawVolume).join(''),
      };
    },
  };
}

/** Which copy must be in sync before this one can go, if that has been made. */
function describe({ volume, replicaId }: NodeCopyView, volumes: readonly VolumeView[]): string {
  const copies = volumes.find((candidate) => addressOf(candidate) === volume)?.copies ?? [];
  const next = copies.find(({ state, replicaId: id }) => state !== 'in-sync' && id !== replicaId);
  return next === undefined
    ? volume
    : `${volume} until ${next.replicaId} on ${next.node} is in sync`;
}

function drawVolume(volume: VolumeView): string {
  return `\n${addressOf(volume)}\n${formatCopies(volume.copies)}`;
}

function notDraining(name: string, copies: readonly NodeCopyView[]): KeelsonError {
  return new KeelsonError(
    'FAILED_PRECONDITION',
    `drain node ${name}: somebody has ended that, and ${countOf(copies)}`,
  );
}

function countOf(copies: readonly NodeCopyView[]): string {
  return copies.length === 1 ? '1 copy is left' : `${copies.length} copies are left`;
}
