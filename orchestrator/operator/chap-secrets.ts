import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { KubeApi } from '../kubernetes/kube-api.ts';
import type { VolumeObject } from '../kubernetes/objects.ts';
import { readChapSecret } from './chap-secret.ts';
import { Pace } from './pace.ts';

/** Nobody tells us of a changed Secret: we may read single ones, not watch them all. */
const KEEP_MS = 5 * 60_000;

interface Kept {
  /** What the volume looked like: touching it makes us read again. */
  readonly mark: string;
  readonly untilMs: number;
  readonly credentials: ChapCredentials;
}

/** When another pod leads, it reads all of them once: that is no hurry. */
const READS_PER_SECOND = 20;

/** The CHAP credentials of volumes, each read from its Secret now and then. */
export class ChapSecrets {
  readonly #api: KubeApi;
  readonly #systemNamespace: string;
  readonly #pace = new Pace(READS_PER_SECOND);
  readonly #kept = new Map<string, Kept>();

  constructor(api: KubeApi, systemNamespace: string) {
    this.#api = api;
    this.#systemNamespace = systemNamespace;
  }

  /**
   * @param secretName undefined: initiators need not prove anything
   * Errors: those of `readChapSecret`.
   */
  async read(
    address: string,
    object: VolumeObject,
    secretName: string | undefined,
  ): Promise<ChapCredentials | null> {
    const { namespace, uid, generation, labels, annotations } = object.metadata;
    const mark = JSON.stringify([uid, generation, labels, annotations]);
    const kept = this.#kept.get(address);
    if (kept?.mark === mark && monotonicClock.nowMs() < kept.untilMs) return kept.credentials;
    this.#kept.delete(address); // what cannot be read now is read again the next time
    if (secretName === undefined) return null;
    if (!(await this.#pace.turn())) throw new KeelsonError('UNAVAILABLE', 'nobody leads here');
    const untilMs = monotonicClock.nowMs() + KEEP_MS;
    const name = { namespace, name: secretName };
    const credentials = await readChapSecret(this.#api, name, this.#systemNamespace);
    this.#kept.set(address, { mark, untilMs, credentials });
    return credentials;
  }

  /** When to read it again, if it was read. */
  expiryOf(address: string): number | undefined {
    return this.#kept.get(address)?.untilMs;
  }

  forget(address: string): void {
    this.#kept.delete(address);
  }

  close(): void {
    this.#pace.close();
  }
}
