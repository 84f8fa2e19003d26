import { type Membership, whyInvalidChange } from '../../controller/protocol/membership.ts';
import type { Registration } from '../../controller/protocol/registration.ts';
import { type VolumeRecord, withEstablished } from '../../orchestrator/model/volume.ts';
import { REPLICATION_PORT } from '../../replica/common/limits.ts';
import type { Network } from './network.ts';
import type { Scheduler } from './scheduler.ts';

/** The host name of the orchestrator, which keeps the registry. */
export const REGISTRY_HOST = 'registry';

/** How long a question for news is held open. */
const POLL_MS = 500;
const MIN_WORK_MS = 0.3;
const MAX_WORK_MS = 2;

interface Waiter {
  readonly answer: () => void;
}

/**
 * The registry: the real rules of its compare-and-swap, behind a network that loses questions and
 * answers, and delivers some long after the asker has given up.
 */
export class SimRegistry {
  /** Share of the questions and answers that go astray. */
  lossRate = 0;
  /** Its disk is slow: every change takes this much longer. */
  slowMs = 0;
  /** Holds back answers to changes, never the changes themselves. */
  isMute = false;
  /** Every record that was ever stored. */
  readonly history: Membership[] = [];
  /** Told of every change that is stored. */
  onStored: ((before: Membership, after: Membership) => void) | undefined;
  /** Called after every change. */
  readonly listeners: (() => void)[] = [];
  readonly #scheduler: Scheduler;
  readonly #network: Network;
  #volume: VolumeRecord;
  #waiters: Waiter[] = [];

  constructor(scheduler: Scheduler, network: Network, volume: VolumeRecord) {
    this.#scheduler = scheduler;
    this.#network = network;
    this.#volume = volume;
  }

  get volume(): VolumeRecord {
    return this.#volume;
  }

  get record(): Membership {
    return this.#volume.membership;
  }

  /** What controllers are told; each node is a host of its own. */
  get registration(): Registration {
    const { spec, membership, revision, leaving, goneInstances, chap } = this.#volume;
    const volume = { ...spec, replicas: this.#volume.establishedReplicas };
    const addresses = Object.entries(membership.copies).map(([replicaId, { node }]) => [
      replicaId,
      { host: node, port: REPLICATION_PORT },
    ]);
    return {
      ...{ revision, volume, membership, leaving, goneInstances, chap },
      addresses: Object.fromEntries(addresses),
    };
  }

  /** A controller's compare-and-swap. `answer` may never be called. */
  change(host: string, next: Membership, answer: (current: Membership) => void): void {
    this.#ask(host, () => {
      const before = this.record;
      if (whyInvalidChange(before, next) === undefined) {
        this.edit((volume) => ({ ...volume, membership: next }));
      }
      const current = this.record;
      this.#whenNotMute(() => this.#reply(host, () => answer(current)));
    });
  }

  /** What a controller must know, as soon as it is not what it was at revision `after`. */
  read(host: string, after: number | undefined, answer: (current: Registration) => void): void {
    this.#ask(host, () => {
      const reply = (): void => {
        const current = this.registration;
        this.#reply(host, () => answer(current));
      };
      if (after !== this.#volume.revision) return reply();
      const waiter = { answer: reply };
      this.#waiters.push(waiter);
      this.#scheduler.after(POLL_MS, () => {
        if (!this.#waiters.includes(waiter)) return;
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reply();
      });
    });
  }

  /** Any change, by whoever may; `change` returns the same record when there is nothing to do. */
  edit(change: (volume: VolumeRecord) => VolumeRecord): void {
    const before = this.#volume;
    const after = change(before);
    if (after === before) return;
    this.#volume = { ...withEstablished(after), revision: before.revision + 1 };
    if (after.membership !== before.membership) {
      this.history.push(after.membership);
      this.onStored?.(before.membership, after.membership);
    }
    for (const { answer } of this.#waiters.splice(0)) answer();
    for (const listener of this.listeners) listener();
  }

  #ask(host: string, act: () => void): void {
    const { random } = this.#scheduler;
    if (random.chance(this.lossRate / 2)) return;
    const workMs = random.between(MIN_WORK_MS, MAX_WORK_MS) + this.slowMs;
    this.#network.send(host, REGISTRY_HOST, () => this.#scheduler.after(workMs, act));
  }

  #reply(host: string, deliver: () => void): void {
    if (this.#scheduler.random.chance(this.lossRate / 2)) return;
    this.#network.send(REGISTRY_HOST, host, deliver);
  }

  readonly #muted: (() => void)[] = [];

  #whenNotMute(action: () => void): void {
    if (this.isMute) this.#muted.push(action);
    else action();
  }

  /** Lets the answers go that were held back. */
  speak(): void {
    this.isMute = false;
    for (const action of this.#muted.splice(0)) action();
  }
}
