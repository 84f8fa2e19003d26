import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Informer } from '../kubernetes/kube-api.ts';
import type {
  Claim,
  KubeObject,
  ObjectName,
  PersistentVolume,
  StorageClass,
  VolumeObject,
} from '../kubernetes/objects.ts';
import {
  CLAIMS,
  PERSISTENT_VOLUMES,
  type Resource,
  STORAGE_CLASSES,
  VOLUMES,
} from '../kubernetes/resources.ts';
import { addressOf, parseVolumeName } from '../model/volume.ts';
import { EventWriter } from '../operator/event-writer.ts';
import { KeyedQueue } from '../reconcile/keyed-queue.ts';
import { carryOut, type Scene } from './carry-out.ts';
import { nextStep } from './core/claim-plan.ts';
import type { Decision, Facts, Notice, Step } from './core/facts.ts';
import { isClaimOf, isMadeForClaim, volumeBehind, volumeNameOf } from './core/names.ts';
import { gather, type Read, type Sought } from './gather.ts';
import type { Provisioner, ProvisionerOptions } from './provisioner-options.ts';

/** A claim needs 4 steps, its end 4; more in a row lead nowhere: something undoes them. */
const MAX_STEPS = 16;

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

/** After these the informers tell what has become of it. */
const LAST: readonly Step['kind'][] = ['delete-volume', 'delete-pv', 'free-pv'];

/** What ends something, so that what the informers say is asked of the server once more. */
const FINAL: readonly Step['kind'][] = [...LAST, 'free-volume'];

/** Makes Volumes and PersistentVolumes of claims, and deletes them, for as long as this pod leads. */
export function startProvisioner(options: ProvisionerOptions): Provisioner {
  const provisioner = new ClaimProvisioner(options);
  void provisioner.start();
  return provisioner;
}

class ClaimProvisioner implements Provisioner {
  readonly #options: ProvisionerOptions;
  readonly #claims: Informer<Claim>;
  readonly #classes: Informer<StorageClass>;
  readonly #persistentVolumes: Informer<PersistentVolume>;
  readonly #events: EventWriter;
  /** Its keys are addresses of Volumes. */
  readonly #queue: KeyedQueue;
  /** By the address of the Volume that it becomes: where the claim is. */
  readonly #claimNames = new Map<string, ObjectName>();
  /** By address: what was told last, and how often it failed in a row. */
  readonly #told = new Map<string, string>();
  readonly #failures = new Map<string, number>();
  readonly #running = new Set<Promise<unknown>>();
  #isStarted = false;
  #isClosed = false;

  constructor(options: ProvisionerOptions) {
    const { api, volumes } = options;
    this.#options = options;
    this.#claims = api.inform(CLAIMS);
    this.#classes = api.inform(STORAGE_CLASSES);
    this.#persistentVolumes = api.inform(PERSISTENT_VOLUMES);
    this.#events = new EventWriter(options);
    this.#queue = new KeyedQueue(
      (key) => this.#reconcile(key),
      (key, error) => options.log.error('a claim failed', { key, error: messageOf(error) }),
    );
    this.#claims.subscribe(({ before, after }) => this.#onClaim(before, after));
    this.#classes.subscribe(({ before, after }) => this.#onClass(after ?? before));
    this.#persistentVolumes.subscribe(({ before, after }) => this.#onPv(after ?? before));
    volumes.subscribe(({ before, after }) => this.#onVolume(after ?? before));
  }

  /** With all that there is: half of it would look like claims that are gone. */
  async start(): Promise<void> {
    const informers = [this.#claims, this.#classes, this.#persistentVolumes, this.#options.volumes];
    try {
      await Promise.all(informers.map(({ ready }) => ready));
    } catch {
      return; // one was closed: everything ends
    }
    this.#isStarted = true;
    for (const claim of this.#claims.all()) this.#onClaim(undefined, claim);
    for (const pv of this.#persistentVolumes.all()) this.#onPv(pv);
    for (const volume of this.#options.volumes.all()) this.#onVolume(volume);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#queue.close();
    for (const informer of [this.#claims, this.#classes, this.#persistentVolumes]) informer.close();
    await Promise.allSettled(this.#running);
    await this.#events.close();
  }

  #onClaim(before: Claim | undefined, after: Claim | undefined): void {
    const claim = after ?? before;
    if (claim === undefined) return;
    const { namespace, name } = claim.metadata;
    const address = addressOf(volumeNameOf(claim));
    if (after === undefined) this.#claimNames.delete(address);
    if (isClaimOf(claim, this.#options.provisionerName)) {
      if (after !== undefined) this.#claimNames.set(address, { namespace, name });
      this.#add(address);
    }
    // That of another claim, which an administrator gave to this one.
    const volumeName = claim.spec?.volumeName;
    if (volumeName !== undefined) this.#onPv(this.#persistentVolumes.get({ name: volumeName }));
  }

  #onClass(storageClass: StorageClass | undefined): void {
    if (!this.#isStarted) return;
    for (const claim of this.#claims.all()) {
      if (claim.spec?.storageClassName === storageClass?.metadata.name) {
        this.#onClaim(undefined, claim);
      }
    }
  }

  #onPv(pv: PersistentVolume | undefined): void {
    const behind = pv && volumeBehind(pv, this.#options.provisionerName);
    if (behind !== undefined) this.#add(addressOf(behind));
  }

  #onVolume(volume: VolumeObject | undefined): void {
    if (volume === undefined) return;
    const { namespace = '', name } = volume.metadata;
    if (isMadeForClaim(volume)) this.#add(addressOf({ namespace, name }));
    else this.#onPv(this.#persistentVolumes.get({ name }));
  }

  #add(address: string): void {
    if (this.#isStarted) this.#queue.add(address);
  }

  #reconcile(key: string): Promise<number | undefined> {
    const running = this.#work(key);
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  async #work(key: string): Promise<number | undefined> {
    let facts: Facts | undefined;
    try {
      for (let count = 0; count < MAX_STEPS && !this.#isClosed; count += 1) {
        facts = await gather(this.#readCache, this.#sought(key));
        if (await this.#isDone(key, facts)) {
          this.#failures.delete(key);
          return undefined;
        }
      }
    } catch (error) {
      this.#noteFailure(key, facts, error);
    }
    if (this.#isClosed) return undefined;
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    return monotonicClock.nowMs() + Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
  }

  /** Takes one step; resolves with whether nothing is left until something changes. */
  async #isDone(key: string, facts: Facts): Promise<boolean> {
    const decision = nextStep(facts);
    const { step, notice } = decision;
    if (step === undefined) {
      this.#tellOnce(key, facts, notice);
      return true;
    }
    // What is new comes by the informers.
    if (FINAL.includes(step.kind) && !(await this.#isConfirmed(key, decision))) return true;
    await carryOut(step, facts, this.#scene);
    this.#options.log.info('provisioning', { volume: key, step: step.kind });
    if (notice !== undefined) this.#tell(facts, notice);
    return LAST.includes(step.kind);
  }

  async #isConfirmed(key: string, { step }: Decision): Promise<boolean> {
    const read: Read = (resource, name) => this.#options.api.get(resource, name);
    const again = nextStep(await gather(read, this.#sought(key)));
    return again.step?.kind === step?.kind;
  }

  #noteFailure(key: string, facts: Facts | undefined, error: unknown): void {
    const code = error instanceof KeelsonError ? error.code : undefined;
    // Somebody was faster; the informers are about to tell.
    if (code === 'CONFLICT' || code === 'ALREADY_EXISTS' || code === 'NOT_FOUND') return;
    const message = messageOf(error);
    this.#options.log.warn('provisioning failed', { volume: key, error: message });
    const isRefused = code === 'FAILED_PRECONDITION' || code === 'INVALID_ARGUMENT';
    const notice = { type: 'Warning', reason: 'ProvisioningFailed', message } as const;
    if (facts !== undefined && isRefused) this.#tellOnce(key, facts, notice);
  }

  #tellOnce(key: string, facts: Facts, notice: Notice | undefined): void {
    const text = notice && `${notice.reason} ${notice.message}`;
    if (this.#told.get(key) === text) return;
    if (text === undefined) this.#told.delete(key);
    else this.#told.set(key, text);
    if (notice !== undefined) this.#tell(facts, notice);
  }

  #tell({ claim, persistentVolume }: Facts, notice: Notice): void {
    if (claim !== undefined) {
      this.#events.tell({ resource: CLAIMS, metadata: claim.metadata }, notice);
    } else if (persistentVolume !== undefined) {
      const { metadata } = persistentVolume;
      this.#events.tell({ resource: PERSISTENT_VOLUMES, metadata }, notice);
    }
  }

  #sought(key: string): Sought {
    const { provisionerName } = this.#options;
    const address = parseVolumeName(key);
    return { provisionerName, address, claimName: this.#claimNames.get(key) };
  }

  get #scene(): Scene {
    const { api, volumes, now } = this.#options;
    const [claims, persistentVolumes] = [this.#claims, this.#persistentVolumes];
    return { api, now, claims, volumes, persistentVolumes };
  }

  readonly #readCache: Read = async <T extends KubeObject>(
    { plural }: Resource<T>,
    name: ObjectName,
  ): Promise<T | undefined> => {
    const informers: Readonly<Record<string, Informer<KubeObject>>> = {
      [CLAIMS.plural]: this.#claims,
      [STORAGE_CLASSES.plural]: this.#classes,
      [PERSISTENT_VOLUMES.plural]: this.#persistentVolumes,
      [VOLUMES.plural]: this.#options.volumes,
    };
    return informers[plural]?.get(name) as T | undefined;
  };
}
