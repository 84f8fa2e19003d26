import { type ChapCredentials, decodeChap } from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import {
  type Fields,
  parseJson,
  readObject,
  readStringOrNull,
} from '../../replica/common/validate.ts';
import type { Secret, VolumeObject } from '../kubernetes/objects.ts';
import { SECRETS } from '../kubernetes/resources.ts';
import { addressOf, type VolumeRecord } from '../model/volume.ts';
import {
  DATA_FINALIZER,
  LABELS,
  volumeLabels,
  volumeObjectName,
} from '../platforms/kubernetes/names.ts';
import { decodeRecord } from './state.ts';

/**
 * How a record lies in a cluster:
 *
 *   Volume  status.record                 the record, without `secret` and `chap`
 *           status.record.chapKey         key of the credentials in the Secret; null: there are none
 *   Secret  v-NAME-ID8, data.secret       64 hexadecimal digits; never changes
 *           data.chap-RANDOM8             the credentials as JSON; of each key never another content
 *
 * A record names the very credentials it means, so whoever has read it cannot take other ones for them,
 * whichever of the two objects he sees earlier.
 */
export interface StoredRecord {
  /** The same for the same record, whatever order a server puts the fields in. */
  readonly text: string;
  readonly fields: Fields;
  readonly volume: { readonly namespace: string; readonly name: string; readonly id: string };
  readonly chapKey: string | null;
}

/** What a record does not tell. */
export interface RecordSecrets {
  readonly secret: string;
  readonly chap: ChapCredentials | null;
}

/** Of one volume: higher than any that is there, so that no slot is ever the reason to refuse one. */
export const KUBE_SLOT_LIMIT = 65_536;

/** Copies that are still to be erased: nodes that stay away let them pile up. */
const MAX_REMOVED = 4_096;

const LIMITS = { slots: KUBE_SLOT_LIMIT, removed: MAX_REMOVED };

const CHAP_KEY = /^chap-[0-9a-f]{8}$/;
const SECRET_TEXT = /^[0-9a-f]{64}$/;

/** Stands for a secret while a record is only looked at. */
const NO_SECRETS: RecordSecrets = { secret: '0'.repeat(64), chap: null };

/** undefined: it has none. Errors: CORRUPT, in one sentence. */
export function readStored(object: VolumeObject): StoredRecord | undefined {
  const value = object.status?.record;
  if (value === undefined || value === null) return undefined;
  const { namespace = '', name } = object.metadata;
  try {
    const whole = withNulls(readObject(value, 'record'));
    const { chapKey: _, ...fields } = whole;
    const chapKey = readStringOrNull(whole, 'chapKey');
    if (chapKey !== null && !CHAP_KEY.test(chapKey)) {
      throw new KeelsonError('INVALID_ARGUMENT', 'chapKey: expected chap- and 8 digits');
    }
    const { spec } = decodeRecord({ ...fields, ...NO_SECRETS }, LIMITS);
    const volume = { namespace, name, id: spec.id };
    if (addressOf(spec) !== addressOf(volume)) {
      throw new KeelsonError('INVALID_ARGUMENT', `it is the record of ${addressOf(spec)}`);
    }
    return { text: canonicalJson(whole), fields, volume, chapKey };
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    throw new KeelsonError(
      'CORRUPT',
      `status.record of volume ${namespace}/${name} cannot be read: ${error.message}; nothing of it is ` +
        'touched, and its copies stay where they are; put the record back from a backup of the object',
      { cause: error },
    );
  }
}

export function recordOf({ fields }: StoredRecord, secrets: RecordSecrets): VolumeRecord {
  return decodeRecord({ ...fields, ...secrets }, LIMITS);
}

/** The object with this record, as its status is written. */
export function withStoredRecord(
  object: VolumeObject,
  record: VolumeRecord,
  chapKey: string | null,
): VolumeObject {
  const { secret: _, chap: __, ...fields } = record;
  return { ...object, status: { ...object.status, record: { ...fields, chapKey } } };
}

/** Whether it is on its way out and nothing of ours holds it any more. */
export function isLeft({ metadata }: VolumeObject): boolean {
  return metadata.deletionTimestamp !== undefined && !hasFinalizer(metadata);
}

export function hasFinalizer({ finalizers = [] }: VolumeObject['metadata']): boolean {
  return finalizers.includes(DATA_FINALIZER);
}

/**
 * What a Secret has for a record.
 *
 * @returns `chap` undefined when the credentials that the record means are not there
 * Errors: CORRUPT, which shows nothing of it.
 */
export function readRecordSecret(
  secret: Secret,
  { volume, chapKey }: Pick<StoredRecord, 'volume' | 'chapKey'>,
): { readonly secret: string; readonly chap: ChapCredentials | null | undefined } {
  const { namespace, name, labels } = secret.metadata;
  const damaged = (why: string) =>
    new KeelsonError(
      'CORRUPT',
      `Secret ${namespace}/${name} of volume ${addressOf(volume)}: ${why}; put it back from a backup, ` +
        'or delete it to have it made anew',
    );
  if (labels?.[LABELS.volumeId] !== volume.id) throw damaged('it belongs to another volume');
  const text = textIn(secret, 'secret');
  if (text === undefined || !SECRET_TEXT.test(text)) {
    throw damaged('expected 64 hexadecimal digits under the key secret');
  }
  if (chapKey === null) return { secret: text, chap: null };
  const chap = textIn(secret, chapKey);
  if (chap === undefined) return { secret: text, chap };
  try {
    return { secret: text, chap: decodeChap(parseJson(chap, chapKey)) };
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    throw damaged(`the credentials under the key ${chapKey} cannot be read`);
  }
}

export function secretObjectOf(
  volume: StoredRecord['volume'],
  { secret, chap }: RecordSecrets,
  { systemNamespace, chapKey }: { systemNamespace: string; chapKey: string | null },
): Secret {
  return {
    apiVersion: SECRETS.apiVersion,
    kind: SECRETS.kind,
    metadata: {
      namespace: systemNamespace,
      name: volumeObjectName(volume),
      labels: volumeLabels(volume),
    },
    type: 'Opaque',
    data: {
      secret: encode(secret),
      ...(chap === null || chapKey === null ? {} : { [chapKey]: encode(JSON.stringify(chap)) }),
    },
  };
}

/** The credentials that a Secret has and the record does not name, to be taken away. */
export function otherChapKeys({ data = {} }: Secret, chapKey: string | null): string[] {
  return Object.keys(data).filter((key) => key.startsWith('chap-') && key !== chapKey);
}

export function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Whoever puts a record back with a merge patch loses what is null in it, and nothing else. */
function withNulls(record: Fields): Fields {
  const membership = readObject(record.membership, 'membership');
  const copies = Object.entries(readObject(membership.copies, 'copies')).map(
    ([replicaId, copy]) => [replicaId, { dataId: null, ...readObject(copy, replicaId) }] as const,
  );
  return {
    chapKey: null,
    ...record,
    membership: { controller: null, ...membership, copies: Object.fromEntries(copies) },
  };
}

function textIn({ data }: Secret, key: string): string | undefined {
  const value = data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
}

/** JSON with the fields of every object sorted by name, as the server may have sorted them or not. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
