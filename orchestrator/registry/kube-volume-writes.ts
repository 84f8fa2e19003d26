import { randomBytes } from 'node:crypto';
import { type ErrorCode, KeelsonError } from '../../replica/common/errors.ts';
import type { Informer, KubeApi, MergePatch } from '../kubernetes/kube-api.ts';
import type { ObjectName, Secret, VolumeObject } from '../kubernetes/objects.ts';
import { SECRETS, VOLUMES } from '../kubernetes/resources.ts';
import { addressOf, isSameChap, parseVolumeName, type VolumeRecord } from '../model/volume.ts';
import {
  DATA_FINALIZER,
  volumeAddressIn,
  volumeObjectName,
} from '../platforms/kubernetes/names.ts';
import { volumeObjectOf, volumePatch } from './kube-spec.ts';
import { encode, hasFinalizer, otherChapKeys, secretObjectOf } from './kube-state.ts';
import type { KubeVolume, KubeVolumes } from './kube-volumes.ts';

export interface VolumeWritesOptions {
  readonly api: KubeApi;
  readonly systemNamespace: string;
  readonly volumes: Informer<VolumeObject>;
  readonly secrets: Informer<Secret>;
  readonly known: KubeVolumes;
}

/**
 * Writes volumes. Only the write of `status.record` decides anything, by the object's resourceVersion;
 * the others come before it in an order in which a crash between any two leaves nothing half-made:
 *
 *   create   1 the object, with the finalizer    left: a volume that is declared; it is admitted
 *            2 the Secret                        left: the same, and a Secret that nobody reads, which
 *                                                goes when this volume gets its record, or goes
 *            3 status.record                     done
 *   admit    as create; 1 is the finalizer on the object that is there
 *   change   1 the Secret, new credentials       left: a key in it that no record names
 *            2 labels and spec of the object     left: what the object says is admitted: done after all
 *            3 status.record                     done
 *            4 the Secret, old credentials       left: a key in it that no record names
 *   delete   1 status.record: isDeleting         left: it is being deleted, as asked
 *            2 the object gets its deletionTimestamp; `remove` does it otherwise
 *   remove   1 the object gets its deletionTimestamp
 *            2 the Secret                        left: a volume that is being deleted, with a new Secret;
 *                                                it is removed again
 *            3 the finalizer                     done, the object is gone
 */
export class VolumeWrites {
  readonly #options: VolumeWritesOptions;

  constructor(options: VolumeWritesOptions) {
    this.#options = options;
  }

  /**
   * Errors: CONFLICT when somebody was faster, whose volume is known by then; INVALID_ARGUMENT when
   * the server refuses what we write; FAILED_PRECONDITION; UNAVAILABLE, and nobody knows.
   */
  async write(
    address: string,
    before: VolumeRecord | undefined,
    after: VolumeRecord | undefined,
  ): Promise<void> {
    try {
      if (before === undefined) {
        if (after !== undefined) await this.#create(address, after);
      } else if (after === undefined) await this.#remove(this.#require(address, before));
      else await this.#change(this.#require(address, before), after);
    } catch (error) {
      if (!hasCode(error, ['CONFLICT', 'NOT_FOUND', 'ALREADY_EXISTS'])) throw error;
      await this.#options.known.refresh(address);
      throw conflict(address, 'somebody else changed it', error);
    }
  }

  async #create(address: string, record: VolumeRecord): Promise<void> {
    const { api, secrets, systemNamespace, volumes } = this.#options;
    const leftOver = this.#secretsOf(address);
    const object = await this.#declare(address, record);
    volumes.note(object);
    const chapKey = record.chap === null ? null : makeChapKey();
    const at = { systemNamespace, chapKey };
    secrets.note(await api.create(SECRETS, secretObjectOf(record.spec, record, at)));
    await this.#store(object, record, chapKey);
    // Of attempts that never came to a record; what stays is no harm.
    for (const { metadata } of leftOver) {
      await ignoringErrors(api.remove(SECRETS, metadata, uidOf(metadata)));
    }
  }

  /** The object with the finalizer: the one that is there, or a new one. */
  async #declare(address: string, record: VolumeRecord): Promise<VolumeObject> {
    const { api, volumes } = this.#options;
    const name = parseVolumeName(address);
    const object = volumes.get(name);
    if (object === undefined) return this.#createObject(record);
    const { deletionTimestamp, resourceVersion, finalizers = [] } = object.metadata;
    if (deletionTimestamp !== undefined) {
      throw new KeelsonError(
        'FAILED_PRECONDITION',
        `create volume ${address}: the object of that name is being deleted; wait for that`,
      );
    }
    // Never a second one, whatever we know of the first.
    if (object.status?.record !== undefined) throw conflict(address, 'it has a record');
    if (hasFinalizer(object.metadata)) return object;
    const metadata = { resourceVersion, finalizers: [...finalizers, DATA_FINALIZER] };
    return api.patch(VOLUMES, name, { metadata });
  }

  async #createObject(record: VolumeRecord): Promise<VolumeObject> {
    try {
      return await this.#options.api.create(VOLUMES, volumeObjectOf(record));
    } catch (error) {
      if (!hasCode(error, ['NOT_FOUND'])) throw error;
      const { namespace } = record.spec;
      throw new KeelsonError(
        'FAILED_PRECONDITION',
        `create volume ${addressOf(record.spec)}: namespace ${namespace} does not exist; ` +
          `run kubectl create namespace ${namespace}`,
        { cause: error },
      );
    }
  }

  async #change({ object, stored, record }: KubeVolume, after: VolumeRecord): Promise<void> {
    const { api, volumes } = this.#options;
    let { chapKey } = stored;
    let secret: Secret | undefined;
    if (!isSameChap(record.chap, after.chap)) {
      chapKey = after.chap === null ? null : makeChapKey();
      secret = await this.#storeChap(after, chapKey);
    }
    const patch = volumePatch(object, record, after);
    const current = patch === undefined ? object : await this.#patch(object, patch);
    await this.#store(current, after, chapKey);
    if (secret !== undefined) await ignoringErrors(this.#forgetChap(secret, chapKey));
    if (after.isDeleting && !record.isDeleting) {
      const { metadata } = volumes.get(object.metadata) ?? object;
      await ignoringErrors(api.remove(VOLUMES, metadata, uidOf(metadata)));
    }
  }

  async #patch(object: VolumeObject, patch: MergePatch): Promise<VolumeObject> {
    const { api, volumes } = this.#options;
    const { resourceVersion } = object.metadata;
    const metadata = { ...(patch.metadata ?? {}), resourceVersion };
    const patched = await api.patch(VOLUMES, object.metadata, { ...patch, metadata });
    volumes.note(patched);
    return patched;
  }

  /** The compare-and-swap. */
  async #store(object: VolumeObject, record: VolumeRecord, chapKey: string | null): Promise<void> {
    const { api, volumes, known } = this.#options;
    const written = known.expect(object, record, chapKey);
    volumes.note(await api.replace(VOLUMES, written, 'status'));
    known.look(addressOf(record.spec));
  }

  /** Beside the credentials that the record names until now. */
  async #storeChap(record: VolumeRecord, chapKey: string | null): Promise<Secret> {
    const { api, systemNamespace, secrets } = this.#options;
    const { spec, chap } = record;
    const name = this.#secretNameOf(record);
    const data = chapKey === null ? {} : { [chapKey]: encode(JSON.stringify(chap)) };
    try {
      const secret = await api.patch(SECRETS, name, { data });
      secrets.note(secret);
      return secret;
    } catch (error) {
      if (!hasCode(error, ['NOT_FOUND'])) throw error;
      const object = secretObjectOf(spec, record, { systemNamespace, chapKey });
      const secret = await api.create(SECRETS, object);
      secrets.note(secret);
      return secret;
    }
  }

  /** Only while it is as we left it: another change may be on its way. */
  async #forgetChap(secret: Secret, chapKey: string | null): Promise<void> {
    const { api, secrets } = this.#options;
    const keys = otherChapKeys(secret, chapKey);
    if (keys.length === 0) return;
    const { resourceVersion } = secret.metadata;
    const data = Object.fromEntries(keys.map((key) => [key, null]));
    secrets.note(
      await api.patch(SECRETS, secret.metadata, { metadata: { resourceVersion }, data }),
    );
  }

  async #remove({ object, record }: KubeVolume): Promise<void> {
    const { api, volumes, known } = this.#options;
    const { namespace, name, uid } = object.metadata;
    await api.remove(VOLUMES, { namespace, name }, uidOf(object.metadata));
    const names = this.#secretsOf(addressOf(record.spec)).map(({ metadata }) => metadata);
    for (const secret of [this.#secretNameOf(record), ...names]) await api.remove(SECRETS, secret);
    const left = await api.get(VOLUMES, { namespace, name });
    if (left !== undefined && left.metadata.uid === uid) await this.#letGo(left);
    else if (uid !== undefined) volumes.noteGone({ namespace, name }, uid);
    known.look(addressOf(record.spec));
  }

  async #letGo({ metadata }: VolumeObject): Promise<void> {
    const { api, volumes } = this.#options;
    const { namespace, name, uid, resourceVersion } = metadata;
    const others = (metadata.finalizers ?? []).filter((finalizer) => finalizer !== DATA_FINALIZER);
    const finalizers = others.length === 0 ? null : others;
    const patch = { metadata: { resourceVersion, finalizers } };
    const left = await api.patch(VOLUMES, { namespace, name }, patch);
    if (others.length > 0) volumes.note(left);
    else if (uid !== undefined) volumes.noteGone({ namespace, name }, uid);
  }

  /** Errors: CONFLICT, when it is not the one that was decided about. */
  #require(address: string, record: VolumeRecord): KubeVolume {
    const volume = this.#options.known.get(address);
    if (volume?.record === record) return volume;
    throw conflict(address, 'it has changed meanwhile');
  }

  /** All that there are for a volume of that name, of whichever id. */
  #secretsOf(address: string): Secret[] {
    return this.#options.secrets
      .all()
      .filter(({ metadata }) => volumeAddressIn(metadata.labels) === address);
  }

  #secretNameOf({ spec }: VolumeRecord): ObjectName {
    return { namespace: this.#options.systemNamespace, name: volumeObjectName(spec) };
  }
}

function conflict(address: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError('CONFLICT', `volume ${address}: ${why}`, { cause });
}

function makeChapKey(): string {
  return `chap-${randomBytes(4).toString('hex')}`;
}

function uidOf({ uid }: { readonly uid?: string }): { readonly uid?: string } {
  return uid === undefined ? {} : { uid };
}

export function hasCode(error: unknown, codes: readonly ErrorCode[]): boolean {
  return error instanceof KeelsonError && codes.includes(error.code);
}

/** Of what is tidied up: it is done at the next chance. */
async function ignoringErrors(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
  }
}
