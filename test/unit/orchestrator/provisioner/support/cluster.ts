import type {
  Claim,
  Metadata,
  PersistentVolume,
  StorageClass,
  VolumeObject,
} from '../../../../../orchestrator/kubernetes/objects.ts';
import {
  CLAIMS,
  EVENTS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUMES,
} from '../../../../../orchestrator/kubernetes/resources.ts';
import { parseSize } from '../../../../../orchestrator/model/size.ts';
import { startProvisioner } from '../../../../../orchestrator/provisioner/provisioner.ts';
import type { Provisioner } from '../../../../../orchestrator/provisioner/provisioner-options.ts';
import { eventually } from '../../../../support/child.ts';
import { type FakeClient, FakeKube } from '../../support/fake-kube.ts';
import { claim, ID, NAMESPACE, PORTAL, PROVISIONER, storageClass } from './objects.ts';

const DATA_FINALIZER = 'keelson.io/data';
/** Everything here takes microtasks alone; each turn runs all that are there. */
const TURNS = 40;

/** Claims, with those who work on them besides the provisioner: Kubernetes and the operator. */
export class Cluster {
  readonly kube = new FakeKube();
  /** What the operator says instead of accepting a Volume. */
  refusal: string | undefined;
  #isPlaying = false;

  constructor(given: Partial<StorageClass> = {}) {
    this.kube.put(STORAGE_CLASSES, storageClass(given));
    this.kube.watch(() => {
      if (this.#isPlaying) return;
      this.#isPlaying = true;
      queueMicrotask(() => {
        this.#isPlaying = false;
        this.#operate();
        this.#bind();
      });
    });
  }

  start(client: FakeClient = this.kube.client()): Provisioner {
    return startProvisioner({
      ...{ api: client, volumes: client.inform(VOLUMES), provisionerName: PROVISIONER },
      ...{ podName: 'a-pod', now: () => new Date(0) },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
  }

  async rest(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise((done) => setImmediate(done));
  }

  makeClaim(spec: Claim['spec'] = {}, metadata: Partial<Metadata> = {}): Claim {
    return this.kube.put(CLAIMS, claim(spec, metadata));
  }

  get claim(): Claim | undefined {
    return this.kube.get(CLAIMS, { namespace: NAMESPACE, name: 'data' });
  }

  changeClaim(change: (claim: Claim) => Claim): void {
    const before = this.claim;
    if (before !== undefined) this.kube.put(CLAIMS, change(before));
  }

  deleteClaim(): void {
    this.kube.remove(CLAIMS, { namespace: NAMESPACE, name: 'data' });
  }

  get volume(): VolumeObject | undefined {
    return this.kube.list(VOLUMES)[0];
  }

  get persistentVolume(): PersistentVolume | undefined {
    return this.kube.list(PERSISTENT_VOLUMES)[0];
  }

  /** Reasons, in the order of their names and without repetitions. */
  get reasons(): string[] {
    const events = this.kube.list(EVENTS) as unknown as { reason: string }[];
    return [...new Set(events.map(({ reason }) => reason))].sort();
  }

  /** Events are written one after the other, with a pause between them. */
  async whenTold(reason: string): Promise<void> {
    await eventually(`an Event says ${reason}`, () => this.reasons.includes(reason) || undefined);
  }

  /** Accepts Volumes, lets them grow, and deletes them. */
  #operate(): void {
    for (const volume of this.kube.list(VOLUMES)) {
      const { metadata, spec, status } = volume;
      if (metadata.deletionTimestamp !== undefined) {
        // Not before nobody else holds it (operator/removal.ts).
        if (metadata.finalizers?.some((name) => name !== DATA_FINALIZER) === true) continue;
        this.kube.patch(VOLUMES, metadata, { metadata: { finalizers: null } });
      } else if (this.refusal !== undefined) {
        const refused = { type: 'Accepted', status: 'False', message: this.refusal };
        this.kube.put(VOLUMES, { ...volume, status: { conditions: [refused] } });
      } else {
        const sizeBytes = parseSize(String(spec?.size));
        const record = { spec: { id: ID }, membership: { sizeBytes } };
        const finalizers = [...new Set([...(metadata.finalizers ?? []), DATA_FINALIZER])];
        this.kube.put(VOLUMES, {
          ...volume,
          metadata: { ...metadata, finalizers },
          status: { ...status, conditions: [], record, portal: PORTAL },
        });
      }
    }
  }

  /** As Kubernetes' own controller of PersistentVolumes. */
  #bind(): void {
    for (const pv of this.kube.list(PERSISTENT_VOLUMES)) {
      const { claimRef, capacity } = pv.spec ?? {};
      const found = this.kube.get(CLAIMS, { ...claimRef, name: claimRef?.name ?? '' });
      if (found === undefined || found.metadata.uid !== claimRef?.uid) {
        this.kube.put(PERSISTENT_VOLUMES, { ...pv, status: { phase: 'Released' } });
        continue;
      }
      if (found.spec?.volumeName !== undefined) continue;
      this.kube.put(PERSISTENT_VOLUMES, { ...pv, status: { phase: 'Bound' } });
      this.kube.put(CLAIMS, {
        ...found,
        spec: { ...found.spec, volumeName: pv.metadata.name },
        status: { phase: 'Bound', ...(capacity === undefined ? {} : { capacity }) },
      });
    }
  }
}
