import {
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readOneOf,
  readString,
} from '../../../replica/common/validate.ts';
import type { VolumeName } from '../../model/volume.ts';
import type { Reference, References } from './references.ts';

/**
 * What the driver must remember of a volume that is attached to this host, or may be: enough to undo
 * it when nobody answers any more.
 *
 * On disk: JSON, one file a volume, and in it
 *   version: 1       bootId: of the kernel in which it was written
 * and the fields below, under their names.
 */
export interface AttachmentRecord {
  readonly volume: VolumeName;
  /** A new volume of the same name has another one. */
  readonly volumeId: string;
  readonly targetName: string;
  /** `host:port` */
  readonly portal: string;
  /**
   * A file system was begun, and nobody has got to use it. It counts only while the reservation is
   * still the one under which it was begun: else another host may have finished and filled it.
   */
  readonly isFormatting: boolean;
  readonly references: References;
}

const VERSION = 1;
const MAX_REFERENCES = 10_000;
const MAX_COUNT = 1_000_000;
const COUNT = { min: 1, max: MAX_COUNT };
const CALLS = ['mount', 'unmount'] as const;

export function encodeRecord(record: AttachmentRecord, bootId: string): string {
  return `${JSON.stringify({ version: VERSION, bootId, ...record }, null, 2)}\n`;
}

/**
 * The record as it counts now: nothing is in use that was before the machine started anew, and a file
 * system that was begun then is not known to be untouched.
 *
 * Errors: INVALID_ARGUMENT, naming the field.
 */
export function decodeRecord(value: unknown, bootId: string): AttachmentRecord {
  const fields = readObject(value, 'record');
  readInteger(fields, 'version', { min: VERSION, max: VERSION });
  const volume = readObject(fields.volume, 'volume');
  const isSameBoot = readString(fields, 'bootId') === bootId;
  const references = readArray(fields, 'references', MAX_REFERENCES).map(decodeReference);
  const isFormatting = readBoolean(fields, 'isFormatting');
  return {
    volume: { namespace: readString(volume, 'namespace'), name: readString(volume, 'name') },
    volumeId: readString(fields, 'volumeId'),
    targetName: readString(fields, 'targetName'),
    portal: readString(fields, 'portal'),
    isFormatting: isSameBoot && isFormatting,
    references: isSameBoot ? references : [],
  };
}

function decodeReference(value: unknown): Reference {
  const fields = readObject(value, 'reference');
  return {
    id: readString(fields, 'id'),
    count: readInteger(fields, 'count', COUNT),
    unanswered: fields.unanswered === null ? null : readOneOf(fields, 'unanswered', CALLS),
  };
}
