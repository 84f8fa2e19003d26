import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import type { VolumeObject } from '../kubernetes/objects.ts';
import { type Labels, makePolicy, plainLabels, readPolicyLabels } from '../model/labels.ts';
import type { VolumeManifest } from '../model/manifest.ts';
import { DEFAULT_VOLUME_BYTES, formatSize, parseSize } from '../model/size.ts';
import type { VolumeUpdate } from '../model/update.ts';
import { isSameChap, type VolumeRecord, type VolumeRequest } from '../model/volume.ts';
import { isSameJson } from './canonical.ts';
import { Refused } from './verdict.ts';

/** Whether nobody has asked for anything else, or for another volume of that name. */
export function isSameWish(a: VolumeObject | undefined, b: VolumeObject | undefined): boolean {
  return isSameJson(wishIn(a), wishIn(b));
}

/** All that people change of an object; the generation counts what they change of its spec. */
function wishIn(object: VolumeObject | undefined): unknown {
  if (object === undefined) return undefined;
  const { uid, generation, labels, annotations, deletionTimestamp, finalizers } = object.metadata;
  return { uid, generation, labels, annotations, deletionTimestamp, finalizers };
}

/** What a registry is asked for, of a volume that there is no record of. */
export function requestFor(wish: VolumeManifest, chap: ChapCredentials | null): VolumeRequest {
  const { namespace, name, size, labels, defaults = {}, preferredNode } = wish;
  return {
    ...{ namespace, name, labels, defaults, chap },
    sizeBytes: size === undefined ? DEFAULT_VOLUME_BYTES : parseSize(size),
    ...(preferredNode === undefined ? {} : { preferredNode }),
  };
}

/**
 * What makes the record what is asked for; undefined when it is that already.
 *
 * Errors: Refused, when it would shrink.
 */
export function updateFor(
  record: VolumeRecord,
  wish: VolumeManifest,
  chap: ChapCredentials | null,
): VolumeUpdate | undefined {
  const sizeBytes = wish.size === undefined ? record.spec.sizeBytes : parseSize(wish.size);
  const hasBytes = record.membership.sizeBytes;
  if (sizeBytes < hasBytes) {
    const [has, asked] = [hasBytes, sizeBytes].map(formatSize);
    throw new Refused(
      'WouldShrink',
      `spec.size: expected at least ${has}, which the volume has, got ${asked}; a volume never ` +
        'shrinks: set the size back, or make a smaller volume and copy',
    );
  }
  const isSame =
    sizeBytes === record.spec.sizeBytes &&
    isSameChap(record.chap, chap) &&
    meaningOf(record.labels) === meaningOf(wish.labels);
  if (isSame) return undefined;
  return {
    // All of them: of two names for one thing, one that is added would drop the other (update.ts).
    labelsAdd: wish.labels,
    labelsRemove: Object.keys(record.labels).filter((label) => !Object.hasOwn(wish.labels, label)),
    ...(sizeBytes === record.spec.sizeBytes ? {} : { size: wish.size ?? '' }),
    ...(isSameChap(record.chap, chap) ? {} : { chap }),
  };
}

/** Labels in one form, whichever of its names is used for a thing. */
function meaningOf(labels: Labels): string {
  const given = readPolicyLabels(labels);
  const policy = makePolicy(given);
  const decided = [...given.keys()].sort().map((field) => [field, policy[field]]);
  return JSON.stringify([decided, Object.entries(plainLabels(labels)).sort()]);
}
