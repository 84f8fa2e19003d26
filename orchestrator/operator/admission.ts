import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import { objectNameOf } from '../kubernetes/object-name.ts';
import type { VolumeObject } from '../kubernetes/objects.ts';
import { VOLUMES } from '../kubernetes/resources.ts';
import { KeyedQueue } from '../reconcile/keyed-queue.ts';
import { readVolumeObject } from '../registry/kube-spec.ts';
import type { RecordFault } from '../registry/state.ts';
import type { ChapSecrets } from './chap-secrets.ts';
import { conditionsIn, type Finding, isSameFinding } from './conditions.ts';
import type { EventWriter } from './event-writer.ts';
import { removeVolume } from './removal.ts';
import { Retries } from './retries.ts';
import {
  ACCEPTED,
  acceptedFinding,
  isPassing,
  type Refusal,
  Refused,
  refusedFinding,
  type Verdict,
} from './verdict.ts';
import { isSameWish, requestFor, updateFor } from './wish.ts';

export interface AdmissionOptions {
  readonly api: KubeApi;
  /** The system namespace. */
  readonly namespace: string;
  readonly volumes: Informer<VolumeObject>;
  readonly installation: Pick<Installation, 'registry' | 'admit' | 'update' | 'delete' | 'view'>;
  readonly chapSecrets: ChapSecrets;
  readonly events: EventWriter;
  readonly log: Log;
  /** Something else is found of a volume than before. */
  readonly onVerdict: (address: string) => void;
}

/**
 * Turns what people write as Volumes into what the registry keeps, or says why not. By level: it looks
 * at what there is, never at what happened.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #queue: KeyedQueue;
  readonly #retries = new Retries();
  readonly #verdicts = new Map<string, Verdict>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { log } = options;
    this.#queue = new KeyedQueue(
      (address) => this.#look(address),
      (volume, error) =>
        log.error('a volume was not looked at', { volume, error: messageOf(error) }),
    );
  }

  /** undefined: there is no such object, or it has not been looked at yet. */
  verdictOf(address: string): Verdict | undefined {
    return this.#verdicts.get(address);
  }

  /** Its object is new, another one, or gone. */
  add(address: string): void {
    this.#retries.forget(address);
    this.#queue.add(address);
  }

  /** Something has changed that what was refused may wait for: nodes, rules, other volumes. */
  addRefused(): void {
    for (const [address, { accepted }] of this.#verdicts) {
      if (accepted.status !== 'True') this.add(address);
    }
  }

  close(): void {
    this.#queue.close();
  }

  /** Returns when to look again if nothing happens before. */
  async #look(address: string): Promise<number | undefined> {
    const { volumes, installation, chapSecrets } = this.#options;
    const object = volumes.get(objectNameOf(address));
    if (object === undefined) {
      this.#forget(address);
      return undefined;
    }
    try {
      refuseDamaged(installation.registry.faultOf(address));
      if (object.metadata.deletionTimestamp !== undefined) {
        await this.#remove(address, object);
        return this.#retries.next(address);
      }
      await this.#admit(address, object);
    } catch (error) {
      this.#refuse(address, object, error);
      return this.#retries.next(address);
    }
    this.#retries.forget(address);
    const accepted = acceptedFinding('its spec is in force');
    this.#find(address, object, { accepted, deletion: undefined });
    return chapSecrets.expiryOf(address);
  }

  #refuse(address: string, object: VolumeObject, error: unknown): void {
    const { log } = this.#options;
    const accepted = refusedFinding(error);
    const fields = { volume: address, why: accepted.message };
    if (isPassing(error)) {
      log.warn('a volume waits', fields);
      return;
    }
    // Of whatever has a reason of its own people learn by the object.
    if (accepted.reason === ('Failed' satisfies Refusal)) log.error('a volume fails', fields);
    this.#find(address, object, { accepted, deletion: undefined });
  }

  /** Errors: those of reading it, of its Secret, and of the registry; CONFLICT, it is another one. */
  async #admit(address: string, object: VolumeObject): Promise<void> {
    const { api, volumes, installation, chapSecrets } = this.#options;
    const { registry } = installation;
    const wish = readVolumeObject(object);
    const chap = await chapSecrets.read(address, object, wish.chapSecretRef);
    // Whoever changes a volume through another door changes its object and its record: what is wished
    // is compared with the record that belongs to it, or it would be taken back.
    await registry.settle();
    if (!isSameWish(volumes.get(object.metadata), object)) {
      throw new KeelsonError('CONFLICT', `volume ${address}: it changed meanwhile`);
    }
    const record = registry.get(address);
    if (record === undefined) {
      await installation.admit(requestFor(wish, chap));
      return;
    }
    if (record.isDeleting) {
      // Deleted through another door, and nobody told the object yet.
      await api.remove(VOLUMES, object.metadata, uidOf(object));
      return;
    }
    const update = updateFor(record, wish, chap);
    if (update !== undefined) await installation.update(address, update);
  }

  async #remove(address: string, object: VolumeObject): Promise<void> {
    const accepted =
      this.#acceptedBefore(address, object) ?? acceptedFinding('it is to be deleted');
    await removeVolume(address, object, {
      ...this.#options,
      tell: (deletion) => this.#find(address, object, { accepted, deletion }),
    });
  }

  /** Says it once: what was said before, by whichever pod, is in the conditions of the object. */
  #find(
    address: string,
    object: VolumeObject,
    { accepted, deletion }: Omit<Verdict, 'generation'>,
  ): void {
    const { events, onVerdict } = this.#options;
    const about = { resource: VOLUMES, metadata: object.metadata };
    const before = this.#acceptedBefore(address, object);
    const { reason, message } = accepted;
    if (accepted.status === 'False' && !isSameFinding(before, accepted)) {
      events.tell(about, { reason, message, type: 'Warning' });
    } else if (accepted.status === 'True' && before?.status === 'False') {
      events.tell(about, { reason, message, type: 'Normal' });
    }
    if (deletion?.state === 'waits' && !this.#isKnownToWait(address, object)) {
      events.tell(about, { reason: 'InUse', type: 'Warning', message: deletion.why });
    }
    this.#verdicts.set(address, { accepted, deletion, generation: object.metadata.generation });
    onVerdict(address);
  }

  #acceptedBefore(address: string, object: VolumeObject): Finding | undefined {
    const verdict = this.#verdicts.get(address);
    if (verdict !== undefined) return verdict.accepted;
    const condition = conditionsIn(object.status).find(({ type }) => type === ACCEPTED);
    return condition && { reason: '', message: '', ...condition };
  }

  #isKnownToWait(address: string, object: VolumeObject): boolean {
    const { deletion } = this.#verdicts.get(address) ?? {};
    if (deletion !== undefined) return deletion.state === 'waits';
    return conditionsIn(object.status).some(({ type }) => type === 'InUse');
  }

  #forget(address: string): void {
    this.#verdicts.delete(address);
    this.#retries.forget(address);
    this.#options.chapSecrets.forget(address);
    this.#options.onVerdict(address);
  }
}

/** Errors: Refused. */
function refuseDamaged(fault: RecordFault | undefined): void {
  if (fault?.kind !== 'damaged') return;
  throw new Refused('RecordDamaged', fault.message);
}

function uidOf({ metadata: { uid } }: VolumeObject): { readonly uid?: string } {
  return uid === undefined ? {} : { uid };
}
