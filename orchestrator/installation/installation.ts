import { timingSafeEqual } from 'node:crypto';
import type { Membership } from '../../controller/protocol/membership.ts';
import type { Registration } from '../../controller/protocol/registration.ts';
import type { ControllerStatus } from '../../controller/protocol/status.ts';
import { unreachable } from '../../replica/common/assert.ts';
import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { EventLog } from '../events/event-log.ts';
import { explainChange } from '../model/explain.ts';
import { portalHost } from '../model/layout.ts';
import type { NodeView, VolumeView } from '../model/view.ts';
import { addressOf, type VolumeRecord, type VolumeRequest, whyDifferent } from '../model/volume.ts';
import { restartDelayMs } from '../plan/backoff.ts';
import { type Action, plan } from '../plan/plan.ts';
import { describeProcess } from '../plan/processes.ts';
import type { Platform, ProcessChange } from '../platforms/platform.ts';
import { KeyedQueue } from '../reconcile/keyed-queue.ts';
import type { MembershipChange, Registry } from '../registry/registry.ts';
import { makeVolumeView } from './make-view.ts';
import { Waiters } from './waiters.ts';

export interface InstallationOptions {
  readonly registry: Registry;
  readonly events: EventLog;
  readonly makePlatform: (onChange: (change: ProcessChange) => void) => Platform;
  readonly fetchStatus: (portalHost: string) => Promise<ControllerStatus | undefined>;
}

/** Stopping may take a child its whole grace period. */
const DELETION_TIMEOUT_MS = 30_000;

/** All volumes of one orchestrator: what the API offers, and the loop that makes it so. */
export class Installation {
  readonly registry: Registry;
  readonly events: EventLog;
  readonly #platform: Platform;
  readonly #fetchStatus: InstallationOptions['fetchStatus'];
  readonly #queue: KeyedQueue;
  readonly #ready = new Waiters();
  readonly #deleted = new Waiters();

  constructor(options: InstallationOptions) {
    this.registry = options.registry;
    this.events = options.events;
    this.#fetchStatus = options.fetchStatus;
    this.#platform = options.makePlatform((change) => this.#onProcessChange(change));
    this.#queue = new KeyedQueue(
      (address) => this.#reconcile(address),
      (address, error) => this.events.add(address, `${messageOf(error)}; trying again`),
    );
  }

  /** Brings up every volume; finishes deletions that a restart interrupted. */
  start(): void {
    for (const { spec } of this.registry.list()) this.#queue.add(addressOf(spec));
  }

  /** Stops every process in order; the data stays. The registry answers until the end. */
  async close(): Promise<void> {
    this.#queue.close();
    await this.#platform.close();
    await this.registry.settle();
  }

  kill(): void {
    this.#queue.close();
    this.#platform.kill();
  }

  /**
   * Creates a volume, or finds that the same one exists.
   *
   * Errors: ALREADY_EXISTS, saying what differs; FAILED_PRECONDITION when nodes are too few.
   */
  async create(request: VolumeRequest): Promise<{ record: VolumeRecord; isNew: boolean }> {
    const address = addressOf(request);
    const existing = this.registry.get(address);
    if (existing !== undefined) {
      const difference = existing.isDeleting
        ? 'it is being deleted'
        : whyDifferent(existing, request);
      if (difference === undefined) return { record: existing, isNew: false };
      throw new KeelsonError(
        'ALREADY_EXISTS',
        `create volume ${address}: it exists and differs: ${difference}`,
      );
    }
    const record = await this.registry.create(request);
    this.events.add(address, 'created');
    this.#queue.add(address);
    return { record, isNew: true };
  }

  /** Resolves with whether the volume's controller serves within that time. */
  async whenReady(address: string, timeoutMs: number): Promise<boolean> {
    const isReady = this.#platform
      .observe(address)
      .some(({ role, state }) => role === 'controller' && state === 'ready');
    return isReady || this.#ready.wait(address, timeoutMs);
  }

  /**
   * Stops the volume's processes and deletes its data.
   *
   * Errors: NOT_FOUND; FAILED_PRECONDITION while initiators are logged in, or may be, unless forced;
   * UNAVAILABLE when it takes longer than expected: it goes on by itself.
   */
  async delete(address: string, options: { isForced: boolean }): Promise<void> {
    const record = this.registry.require(address);
    if (!options.isForced && !record.isDeleting) await this.#refuseIfUsed(record);
    await this.registry.markDeleting(address);
    const isDeleted = this.#deleted.wait(address, DELETION_TIMEOUT_MS);
    this.#queue.add(address);
    if (await isDeleted) return;
    throw new KeelsonError(
      'UNAVAILABLE',
      `delete volume ${address}: not finished after ${DELETION_TIMEOUT_MS / 1000} s; it goes on, see the events`,
    );
  }

  /** Errors: NOT_FOUND. */
  async view(address: string): Promise<VolumeView> {
    const record = this.registry.require(address);
    const status = await this.#statusOf(record);
    // The record may have changed while the controller was asked.
    const latest = this.registry.get(address) ?? record;
    return makeVolumeView(latest, this.#platform.observe(address), status);
  }

  async views(namespace?: string): Promise<VolumeView[]> {
    const records = this.registry
      .list()
      .filter(({ spec }) => namespace === undefined || spec.namespace === namespace);
    return Promise.all(
      records.map(async (record) =>
        makeVolumeView(
          record,
          this.#platform.observe(addressOf(record.spec)),
          await this.#statusOf(record),
        ),
      ),
    );
  }

  nodes(): NodeView[] {
    const loads = this.registry.nodeLoads();
    return this.#platform.nodes().map((node) => ({
      ...node,
      copyCount: loads.find((load) => load.node === node.name)?.copyCount ?? 0,
    }));
  }

  /** Errors: NOT_FOUND; UNAUTHENTICATED unless `secret` is the volume's own. */
  registration(address: string, secret: string): Registration {
    this.#authenticate(address, secret);
    return this.registry.registration(address);
  }

  /** Errors: as `registration`, and those of storing it. */
  async changeMembership(
    address: string,
    secret: string,
    next: Membership,
  ): Promise<MembershipChange> {
    this.#authenticate(address, secret);
    const change = await this.registry.changeMembership(address, next);
    if (change.ok) {
      for (const message of explainChange(change.before, change.after)) {
        this.events.add(address, message);
      }
    }
    return change;
  }

  async #reconcile(address: string): Promise<number | undefined> {
    const record = this.registry.get(address);
    if (record === undefined) return undefined;
    const observed = this.#platform.observe(address);
    const { actions, wakeAtMs } = plan(record, observed, monotonicClock.nowMs());
    for (const action of actions) await this.#act(record, action);
    return wakeAtMs;
  }

  #act(record: VolumeRecord, action: Action): Promise<void> | undefined {
    switch (action.kind) {
      case 'start':
        this.#platform.start(action.process);
        return undefined;
      case 'stop':
        // Not awaited: its exit is a change like any other, and starts the next round.
        void this.#platform.stop(action.key);
        return undefined;
      case 'erase':
        return this.#erase(record);
      default:
        return unreachable(action, 'action');
    }
  }

  async #erase(record: VolumeRecord): Promise<void> {
    const address = addressOf(record.spec);
    await this.#platform.erase(record);
    await this.registry.remove(address);
    this.events.add(address, 'deleted');
    this.#deleted.resolve(address);
  }

  #onProcessChange(change: ProcessChange): void {
    const address = addressOf(change.process.volume);
    const what = describeProcess(change.process);
    if (change.kind === 'ready') {
      this.events.add(address, `${what} ready at ${change.address}`);
      if (change.process.role === 'controller') this.#ready.resolve(address);
      return;
    }
    // First of all the restart: it is what the initiator waits for.
    this.#queue.add(address);
    if (change.isStopped) {
      this.events.add(address, `${what} stopped`);
      return;
    }
    const delayMs = restartDelayMs(change.quickExits);
    const when = delayMs === 0 ? 'restarting' : `restarting in ${delayMs} ms`;
    this.events.add(address, `${what} exited (${change.reason}), ${when}`);
  }

  async #refuseIfUsed(record: VolumeRecord): Promise<void> {
    const address = addressOf(record.spec);
    const status = await this.#statusOf(record);
    if (status?.target.sessions === 0) return;
    const why =
      status === undefined
        ? 'its controller does not say whether initiators are logged in'
        : `${status.target.sessions} initiator sessions are logged in`;
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `delete volume ${address}: ${why}; log out first, or use --force`,
    );
  }

  async #statusOf(record: VolumeRecord): Promise<ControllerStatus | undefined> {
    const isUp = this.#platform
      .observe(addressOf(record.spec))
      .some(({ role, state }) => role === 'controller' && state !== 'down');
    return isUp ? this.#fetchStatus(portalHost(record.slot)) : undefined;
  }

  #authenticate(address: string, secret: string): void {
    const expected = Buffer.from(this.registry.require(address).secret);
    const got = Buffer.from(secret);
    // The length is no secret: it is that of every volume's.
    if (expected.length === got.length && timingSafeEqual(expected, got)) return;
    throw new KeelsonError(
      'UNAUTHENTICATED',
      `registry of ${address}: expected the volume's secret as bearer token`,
    );
  }
}
