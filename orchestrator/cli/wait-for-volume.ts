import type { ApiClient } from '../client/api-client.ts';
import { formatSize } from '../model/size.ts';
import type { VolumeView } from '../model/view.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import { formatCopies, formatInSync } from './format.ts';
import type { Aim } from './waiting.ts';

/** That a volume is as it was asked for: every copy in sync, none too many, and of its whole size. */
export function waitForVolume(client: ApiClient, name: VolumeName): Aim {
  return {
    what: `volume ${addressOf(name)} is healthy`,
    goesOn: 'it goes on by itself',
    look: async () => {
      const volume = await client.volume(name);
      return { missing: whatIsMissing(volume), drawn: formatCopies(volume.copies) };
    },
  };
}

function whatIsMissing(volume: VolumeView): string | undefined {
  const { copies, health, replicas, servedBytes, sizeBytes } = volume;
  const inSyncCount = copies.filter(({ state }) => state === 'in-sync').length;
  if (volume.isDeleting) return 'it is being deleted';
  if (inSyncCount <= replicas || health !== 'healthy') {
    return [`${health}, ${formatInSync(volume)} in sync`, ...volume.notes].join('; ');
  }
  const extraCount = copies.length - replicas - 1;
  if (extraCount > 0) return `copies that have to leave: ${extraCount}`;
  return servedBytes === sizeBytes ? undefined : `growing from ${formatSize(servedBytes)}`;
}
