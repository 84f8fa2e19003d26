import { randomBytes } from 'node:crypto';
import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import { addressOfObject } from '../kubernetes/object-name.ts';
import type { ObjectName, Secret, VolumeObject } from '../kubernetes/objects.ts';
import { SECRETS, VOLUMES } from '../kubernetes/resources.ts';
import { addressOf, parseVolumeName, type VolumeRecord } from '../model/volume.ts';
import { LABELS, volumeAddressIn, volumeObjectName } from '../platforms/kubernetes/names.ts';
import {
  canonicalJson,
  isLeft,
  type RecordSecrets,
  readRecordSecret,
  readStored,
  recordOf,
  type StoredRecord,
  secretObjectOf,
  withStoredRecord,
} from './kube-state.ts';
import type { RecordFault } from './state.ts';

export interface KubeVolumesOptions {
  readonly api: KubeApi;
  readonly systemNamespace: string;
  readonly volumes: Informer<VolumeObject>;
  readonly secrets: Informer<Secret>;
  readonly log: Log;
  /** A volume or a fault is another one now. */
  readonly onChange: () => void;
}

/** A volume: its record, and the last version of the object that has it. */
export interface KubeVolume {
  readonly object: VolumeObject;
  readonly stored: StoredRecord;
  /** The same one for as long as the record is the same. */
  readonly record: VolumeRecord;
}

const RETRY_MS = 1_000;

/** Puts volumes together from their objects and Secrets, whichever of the two is seen first. */
export class KubeVolumes {
  readonly #options: KubeVolumesOptions;
  readonly #known = new Map<string, KubeVolume>();
  readonly #faults = new Map<string, RecordFault>();
  /** Records that are being written, to be known again when the server tells of them. */
  readonly #expected = new Map<string, { readonly text: string; readonly record: VolumeRecord }>();
  /** By address: looking for what the cache of Secrets does not have. */
  readonly #searches = new Map<string, Promise<void>>();
  /** Uids of objects that had a record. */
  readonly #recorded = new Set<string>();
  /** Names of credentials that are lost: nobody may log in until they are set anew. */
  readonly #lostChap = new Map<string, ChapCredentials>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosed = false;

  constructor(options: KubeVolumesOptions) {
    this.#options = options;
    options.volumes.subscribe(({ before, after }) => {
      const object = after ?? before;
      if (object !== undefined) this.look(addressOfObject(object.metadata));
    });
    options.secrets.subscribe(({ before, after }) => {
      const address = volumeAddressIn((after ?? before)?.metadata.labels);
      if (address === undefined) return;
      if (after === undefined) this.#noteSecretGone(address, before);
      else if (!this.#known.has(address)) this.look(address);
    });
  }

  /** Resolves when what was there before is taken in. */
  async open(): Promise<void> {
    await Promise.all([this.#options.volumes.ready, this.#options.secrets.ready]);
    for (const object of this.#options.volumes.all()) this.look(addressOfObject(object.metadata));
    await Promise.all(this.#searches.values());
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  get(address: string): KubeVolume | undefined {
    return this.#known.get(address);
  }

  records(): Map<string, VolumeRecord> {
    return new Map([...this.#known].map(([address, { record }]) => [address, record]));
  }

  faults(): Map<string, RecordFault> {
    return new Map(this.#faults);
  }

  /** `record` is about to be written: when it is seen there, it is this one. */
  expect(object: VolumeObject, record: VolumeRecord, chapKey: string | null): VolumeObject {
    const written = withStoredRecord(object, record, chapKey);
    const text = canonicalJson(written.status?.record);
    this.#expected.set(addressOfObject(object.metadata), { text, record });
    return written;
  }

  /** Asks the server. Errors: UNAVAILABLE. */
  async refresh(address: string): Promise<void> {
    const { api, volumes } = this.#options;
    const name = parseVolumeName(address);
    const uid = volumes.get(name)?.metadata.uid;
    const object = await api.get(VOLUMES, name);
    if (object !== undefined) volumes.note(object);
    else if (uid !== undefined) volumes.noteGone(name, uid);
    this.look(address);
    await this.#searches.get(address);
  }

  /** Takes in what the caches have of this volume. */
  look(address: string): void {
    const object = this.#options.volumes.get(parseVolumeName(address));
    if (object === undefined || isLeft(object)) {
      this.#forget(address);
      return;
    }
    try {
      const stored = readStored(object);
      if (stored === undefined) this.#setFault(address, this.#whyNoRecord(object));
      else this.#take(address, object, stored);
    } catch (error) {
      if (!(error instanceof KeelsonError)) throw error;
      this.#setFault(address, { kind: 'damaged', message: error.message });
    }
  }

  #forget(address: string): void {
    const known = this.#known.get(address);
    this.#recorded.delete(known?.object.metadata.uid ?? '');
    this.#expected.delete(address);
    const isChange = this.#known.delete(address) || this.#faults.has(address);
    this.#faults.delete(address);
    if (isChange) this.#options.onChange();
  }

  /** Errors: CORRUPT, of its Secret. */
  #take(address: string, object: VolumeObject, stored: StoredRecord): void {
    this.#recorded.add(object.metadata.uid ?? '');
    const known = this.#known.get(address);
    if (known?.stored.text === stored.text && !this.#faults.has(address)) {
      this.#known.set(address, { ...known, object });
      return;
    }
    const record = this.#read(stored, known);
    if (record === undefined) {
      if (known === undefined) this.#setFault(address, whyUnknown(stored));
      this.#search(address, stored);
      return;
    }
    this.#known.set(address, { object, stored, record });
    this.#faults.delete(address);
    this.#options.onChange();
  }

  /** undefined: something of it is not known here. Errors: CORRUPT. */
  #read(stored: StoredRecord, known: KubeVolume | undefined): VolumeRecord | undefined {
    const expected = this.#expected.get(addressOf(stored.volume));
    if (expected?.text === stored.text) return expected.record;
    const secrets = this.#secretsOf(stored, known);
    return secrets && recordOf(stored, secrets);
  }

  #secretsOf(stored: StoredRecord, known: KubeVolume | undefined): RecordSecrets | undefined {
    const { volume, chapKey } = stored;
    const isSame = known?.stored.volume.id === volume.id;
    if (isSame && (chapKey === null || chapKey === known.stored.chapKey)) {
      const { secret, chap } = known.record;
      return { secret, chap: chapKey === null ? null : chap };
    }
    const object = this.#options.secrets.get(this.#secretNameOf(stored));
    if (object === undefined) return undefined;
    const { secret, chap = this.#lostChap.get(lostKey(stored)) } = readRecordSecret(object, stored);
    return chap === undefined ? undefined : { secret, chap };
  }

  #search(address: string, stored: StoredRecord): void {
    if (this.#searches.has(address)) return; // looks again at the end
    const search = this.#find(stored)
      .finally(() => this.#searches.delete(address))
      .then(() => this.look(address))
      .catch((error: unknown) => {
        const { log } = this.#options;
        log.warn('the secret of a volume is not known yet', {
          volume: address,
          error: messageOf(error),
        });
        this.#later(() => this.look(address));
      });
    this.#searches.set(address, search);
  }

  /** Asks the server for the Secret; makes it anew when it is lost. */
  async #find(stored: StoredRecord): Promise<void> {
    const { api, secrets, log } = this.#options;
    const volume = addressOf(stored.volume);
    let object = await api.get(SECRETS, this.#secretNameOf(stored));
    if (object === undefined) {
      // Its processes were started with another one: each takes this one when it is started again.
      log.warn('the secret of a volume was lost, and is made anew', { volume });
      object = await this.#makeSecret(stored, { secret: makeSecretText(), chap: null });
    }
    secrets.note(object);
    if (readRecordSecret(object, stored).chap !== undefined) return;
    log.warn('the CHAP credentials of a volume were lost, nobody can log in', { volume });
    this.#lostChap.set(lostKey(stored), closedToAll());
  }

  /** Somebody deleted it: what we know of it is as good. */
  #noteSecretGone(address: string, secret: Secret | undefined): void {
    const known = this.#known.get(address);
    const id = secret?.metadata.labels?.[LABELS.volumeId];
    // The last act of a deletion, or what an attempt to make a volume has left behind.
    if (known === undefined || known.record.isDeleting || known.stored.volume.id !== id) return;
    const { log, secrets } = this.#options;
    this.#makeSecret(known.stored, known.record).then(
      (object) => {
        secrets.note(object);
        log.warn('the secret of a volume was gone, and is put back', { volume: address });
      },
      (error: unknown) => {
        log.warn('the secret of a volume cannot be put back', {
          volume: address,
          error: messageOf(error),
        });
        this.#later(() => this.#noteSecretGone(address, secret));
      },
    );
  }

  async #makeSecret(stored: StoredRecord, given: RecordSecrets): Promise<Secret> {
    const { api, systemNamespace } = this.#options;
    const { volume, chapKey } = stored;
    try {
      return await api.create(SECRETS, secretObjectOf(volume, given, { systemNamespace, chapKey }));
    } catch (error) {
      if (!(error instanceof KeelsonError && error.code === 'ALREADY_EXISTS')) throw error;
      const object = await api.get(SECRETS, this.#secretNameOf(stored));
      if (object !== undefined) return object;
      throw error;
    }
  }

  #secretNameOf({ volume }: StoredRecord): ObjectName {
    return { namespace: this.#options.systemNamespace, name: volumeObjectName(volume) };
  }

  #whyNoRecord({ metadata }: VolumeObject): RecordFault {
    const volume = `volume ${metadata.namespace}/${metadata.name}`;
    if (this.#recorded.has(metadata.uid ?? '')) {
      return {
        kind: 'damaged',
        message: `status.record of ${volume} is gone; put it back from a backup of the object`,
      };
    }
    return { kind: 'new', message: `${volume} is not accepted yet, see its condition Accepted` };
  }

  #setFault(address: string, fault: RecordFault): void {
    const before = this.#faults.get(address);
    this.#faults.set(address, fault);
    const isSame = before?.kind === fault.kind && before.message === fault.message;
    if (this.#known.delete(address) || !isSame) this.#options.onChange();
  }

  #later(look: () => void): void {
    if (this.#isClosed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      look();
    }, RETRY_MS);
    timer.unref();
    this.#timers.add(timer);
  }
}

function whyUnknown({ volume }: StoredRecord): RecordFault {
  const message = `the Secret ${volumeObjectName(volume)} of volume ${addressOf(volume)} was not read yet`;
  return { kind: 'damaged', message };
}

function lostKey({ volume, chapKey }: StoredRecord): string {
  return `${volume.id} ${chapKey}`;
}

function makeSecretText(): string {
  return randomBytes(32).toString('hex');
}

/** Credentials that nobody has: a volume that was protected is never open to all. */
function closedToAll(): ChapCredentials {
  const secret = randomBytes(24).toString('hex');
  return { users: [{ name: 'lost', secret }], mutual: null, allowsShortSecrets: false };
}
