import type { V1PodDisruptionBudget } from '@kubernetes/client-node';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import type { DisruptionBudget } from '../kubernetes/objects.ts';
import {
  DISRUPTION_BUDGETS,
  OLD_DISRUPTION_BUDGETS,
  type Resource,
} from '../kubernetes/resources.ts';
import type { VolumeRecord } from '../model/volume.ts';
import {
  LABELS,
  MANAGED,
  volumeAddressIn,
  volumeLabels,
  volumeObjectName,
} from '../platforms/kubernetes/names.ts';
import { KeyedQueue } from '../reconcile/keyed-queue.ts';
import type { Registry } from '../registry/registry.ts';
import { Pace } from './pace.ts';

export interface DisruptionBudgetsOptions {
  readonly api: KubeApi;
  /** The system namespace. */
  readonly namespace: string;
  readonly registry: Pick<Registry, 'get'>;
  readonly log: Log;
}

interface Found {
  readonly resource: Resource<DisruptionBudget>;
  readonly budgets: Informer<DisruptionBudget>;
}

/** When a node is lost, many volumes change together. */
const CALLS_PER_SECOND = 10;

/**
 * Who drains a node by `kubectl drain` asks for each pod whether it may go. A PodDisruptionBudget per
 * volume says so of its replicas: one may, while every copy is in sync, and none else. A drain waits for
 * a copy that is rebuilt, and does not take the last one.
 */
export class DisruptionBudgets {
  readonly #options: DisruptionBudgetsOptions;
  readonly #found: Promise<Found | undefined>;
  readonly #pace = new Pace(CALLS_PER_SECOND);
  readonly #queue: KeyedQueue;
  #isClosed = false;

  constructor(options: DisruptionBudgetsOptions) {
    const { log } = options;
    this.#options = options;
    this.#queue = new KeyedQueue(
      (address) => this.#keep(address),
      (volume, error) => log.warn('keep a disruption budget', { volume, error: messageOf(error) }),
    );
    this.#found = this.#find();
    this.#found.catch((error: unknown) => {
      if (!this.#isClosed) {
        log.error('disruption budgets cannot be kept', { error: messageOf(error) });
      }
    });
  }

  /** Its record may have changed. */
  add(address: string): void {
    this.#queue.add(address);
  }

  close(): void {
    this.#isClosed = true;
    this.#queue.close();
    this.#pace.close();
    void this.#found.then((found) => found?.budgets.close()).catch(() => undefined);
  }

  /** undefined: this cluster has none. */
  async #find(): Promise<Found | undefined> {
    const found =
      (await this.#open(DISRUPTION_BUDGETS)) ?? (await this.#open(OLD_DISRUPTION_BUDGETS));
    const { log } = this.#options;
    if (found === undefined) {
      log.warn('this cluster has no PodDisruptionBudgets: kubectl drain takes any copy');
    }
    return found;
  }

  /** undefined: the server does not have them under this name. */
  async #open(resource: Found['resource']): Promise<Found | undefined> {
    const { api, namespace } = this.#options;
    const query = { namespace, labels: MANAGED };
    try {
      await api.list(resource, query);
    } catch (error) {
      if (error instanceof KeelsonError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
    const budgets = api.inform(resource, query);
    await budgets.ready;
    // Of volumes that went while nobody led.
    for (const { metadata } of budgets.all()) {
      const address = volumeAddressIn(metadata.labels);
      if (address !== undefined) this.add(address);
    }
    return { resource, budgets };
  }

  async #keep(address: string): Promise<undefined> {
    const found = await this.#found;
    if (found === undefined || this.#isClosed) return;
    const { api, namespace, registry } = this.#options;
    const { resource, budgets } = found;
    const record = registry.get(address);
    const isOver = record === undefined || record.isDeleting;
    const wanted = isOver ? undefined : budgetOf(record, namespace);
    for (const { metadata } of budgets.all()) {
      const isOfIt = volumeAddressIn(metadata.labels) === address;
      if (!isOfIt || metadata.name === wanted?.metadata.name) continue;
      if (!(await this.#pace.turn())) return;
      await api.remove(resource, metadata);
      budgets.noteGone(metadata);
    }
    if (wanted === undefined) return;
    const there = budgets.get(wanted.metadata);
    const { maxUnavailable } = wanted.spec;
    if (there?.spec?.maxUnavailable === maxUnavailable) return;
    // A copy that may no longer go is what matters.
    if (!(await this.#pace.turn({ isUrgent: maxUnavailable === 0 }))) return;
    if (there === undefined) budgets.note(await api.create(resource, wanted));
    else budgets.note(await api.patch(resource, wanted.metadata, { spec: { maxUnavailable } }));
  }
}

function budgetOf(record: VolumeRecord, namespace: string) {
  const { spec } = record;
  return {
    metadata: { namespace, name: volumeObjectName(spec), labels: { ...volumeLabels(spec) } },
    spec: {
      maxUnavailable: mayOneGo(record) ? 1 : 0,
      selector: { matchLabels: { [LABELS.volumeId]: spec.id, [LABELS.role]: 'replica' } },
    },
  } satisfies V1PodDisruptionBudget;
}

function mayOneGo({ spec, membership }: VolumeRecord): boolean {
  const copies = Object.values(membership.copies);
  const isWhole = copies.every(({ state }) => state === 'in-sync');
  return isWhole && copies.length > 1 && copies.length > spec.replicas;
}
