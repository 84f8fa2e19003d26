import type { Membership } from '../../controller/protocol/membership.ts';
import { REGISTRATION_POLL_MS, type Registration } from '../../controller/protocol/registration.ts';
import type { ControllerStatus } from '../../controller/protocol/status.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { EventLog } from '../events/event-log.ts';
import type { AddressPlan, Endpoint } from '../model/address-plan.ts';
import { explainChange } from '../model/explain.ts';
import { type Selector, selects } from '../model/selector.ts';
import { explainUpdate, type VolumeUpdate } from '../model/update.ts';
import { VERSION } from '../model/version.ts';
import type { VersionView, VolumeView } from '../model/view.ts';
import {
  addressOf,
  placeOf,
  type VolumeRecord,
  type VolumeRequest,
  whyDifferent,
} from '../model/volume.ts';
import type { Platform, ProcessChange } from '../platforms/platform.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import { Waiters } from '../reconcile/waiters.ts';
import type { MembershipChange, Registry } from '../registry/registry.ts';
import { makeVolumeView } from './make-view.ts';
import { Nodes } from './nodes.ts';
import { Rules } from './rules.ts';
import { isSameSecret } from './same-secret.ts';

export interface InstallationOptions {
  readonly registry: Registry;
  readonly events: EventLog;
  readonly makePlatform: (onChange: (change: ProcessChange) => void) => Platform;
  readonly fetchStatus: (admin: Endpoint) => Promise<ControllerStatus | undefined>;
  /** How long a copy may be away before another is made on another node. */
  readonly replaceAfterMs: number;
}

/** Which volumes are asked for. */
export interface VolumeFilter {
  /** Undefined: of all. */
  readonly namespace: string | undefined;
  readonly selector: Selector;
}

/** A controller that waits for a registration with a later revision. */
export interface RegistrationWait {
  readonly after: number;
  /** It does not want the answer any more. */
  readonly givenUp: AbortSignal;
}

/** Stopping may take a child its whole grace period. */
const DELETION_TIMEOUT_MS = 30_000;

/** A volume has one controller, and for a moment the one before it. More are a mistake. */
const MAX_REGISTRATION_WAITS = 16;

/** All volumes of one orchestrator, as the API offers them; the reconciler makes them so. */
export class Installation {
  readonly registry: Registry;
  readonly events: EventLog;
  readonly rules: Rules;
  readonly nodes: Nodes;
  readonly #platform: Platform;
  readonly #reconciler: Reconciler;
  readonly #fetchStatus: InstallationOptions['fetchStatus'];
  readonly #changed = new Waiters();
  #isStarted = false;

  constructor(options: InstallationOptions) {
    const { registry, events, fetchStatus, replaceAfterMs } = options;
    this.registry = registry;
    this.events = events;
    this.#fetchStatus = fetchStatus;
    this.#platform = options.makePlatform((change) => this.#reconciler.onProcessChange(change));
    const platform = this.#platform;
    this.#reconciler = new Reconciler({ registry, events, platform, fetchStatus, replaceAfterMs });
    this.rules = new Rules(registry, events);
    this.nodes = new Nodes({ registry, events, platform, reconciler: this.#reconciler });
    registry.subscribe((address) => this.#changed.resolve(address));
  }

  /** Until then it knows its volumes, but not what runs of them. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  get addresses(): AddressPlan {
    return this.#platform.addresses;
  }

  /** Brings up every volume; finishes deletions that a restart interrupted. */
  start(): void {
    this.#isStarted = true;
    this.#reconciler.start();
  }

  /** Stops every process in order; the data stays. The registry answers until the end. */
  async close(): Promise<void> {
    this.#reconciler.close();
    await this.#platform.close();
    this.#changed.close();
    await this.registry.settle();
  }

  kill(): void {
    this.#reconciler.close();
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
        : whyDifferent(existing, request, this.registry.policyFor(request));
      if (difference === undefined) return { record: existing, isNew: false };
      throw new KeelsonError(
        'ALREADY_EXISTS',
        `create volume ${address}: it exists and differs: ${difference}`,
      );
    }
    const record = await this.registry.create(request, this.nodes.down);
    this.events.add(address, 'created');
    return { record, isNew: true };
  }

  /**
   * Makes a volume of what is declared as one where the registry keeps its state (Kubernetes), or finds
   * that it is one already.
   *
   * Errors: those of `Registry.admit`.
   */
  async admit(request: VolumeRequest): Promise<VolumeRecord> {
    const address = addressOf(request);
    const existing = this.registry.get(address);
    if (existing !== undefined) return existing;
    const { record, isNew } = await this.registry.admit(request, this.nodes.down);
    if (isNew) this.events.add(address, 'created'); // or it was created while we waited
    return record;
  }

  /**
   * Changes the policy of a live volume.
   *
   * Errors: NOT_FOUND; INVALID_ARGUMENT, naming the label; FAILED_PRECONDITION when nodes are too few.
   */
  async update(address: string, update: VolumeUpdate): Promise<void> {
    const { before, after } = await this.registry.update(address, update, this.nodes.down);
    for (const message of explainUpdate(before, after)) this.events.add(address, message);
  }

  /** Resolves with whether the volume's controller serves within that time. */
  whenReady(address: string, timeoutMs: number): Promise<boolean> {
    return this.#reconciler.whenReady(address, timeoutMs);
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
    const isDeleted = this.#reconciler.whenDeleted(address, DELETION_TIMEOUT_MS);
    this.#reconciler.add(address);
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
    return this.#makeView(latest, status);
  }

  /** Sorted by address. */
  async views({ namespace, selector }: VolumeFilter): Promise<VolumeView[]> {
    const records = this.registry.list().filter(({ spec, labels }) => {
      return (namespace === undefined || spec.namespace === namespace) && selects(selector, labels);
    });
    return Promise.all(
      records.map(async (record) => this.#makeView(record, await this.#statusOf(record))),
    );
  }

  version(): VersionView {
    return { version: VERSION, platform: this.#platform.name };
  }

  /**
   * What a controller must know; with `wait`, as soon as it has a later revision, or as it is after
   * REGISTRATION_POLL_MS: never an earlier one.
   *
   * Errors: NOT_FOUND; UNAUTHENTICATED unless `secret` is the volume's own; UNAVAILABLE when too many
   * wait already, or at the end.
   */
  async registration(
    address: string,
    secret: string,
    wait?: RegistrationWait,
  ): Promise<Registration> {
    this.#authenticate(address, secret);
    if (wait === undefined) return this.registry.registration(address, this.addresses);
    // Another orchestrator may have told the controller more than this one has seen.
    if (this.registry.require(address).revision <= wait.after) {
      if (this.#changed.isClosed || this.#changed.countOf(address) >= MAX_REGISTRATION_WAITS) {
        throw new KeelsonError('UNAVAILABLE', `registry of ${address}: no more may wait for it`);
      }
      await this.#changed.wait(address, REGISTRATION_POLL_MS, wait.givenUp);
    }
    const mayLag = this.registry.require(address).revision >= wait.after;
    return this.registry.registration(address, this.addresses, { mayLag });
  }

  /**
   * Errors: as `registration`, and those of storing it; UNAVAILABLE when a controller wants to take the
   * volume that was replaced.
   */
  async changeMembership(
    address: string,
    secret: string,
    next: Membership,
  ): Promise<MembershipChange> {
    this.#authenticate(address, secret);
    this.#refuseReplaced(address, next);
    const change = await this.registry.changeMembership(address, next);
    if (!change.ok) return change;
    this.tellMembership(change, this.registry.require(address));
    return change;
  }

  /** What a controller did, here or by way of another orchestrator, in words. */
  tellMembership(
    { before, after }: { readonly before: Membership; readonly after: Membership },
    { spec, leaving }: Pick<VolumeRecord, 'spec' | 'leaving'>,
  ): void {
    const intent = { wanted: spec.replicas + 1, leaving };
    for (const message of explainChange(before, after, intent)) {
      this.events.add(addressOf(spec), message);
    }
  }

  #makeView(record: VolumeRecord, status: ControllerStatus | undefined): VolumeView {
    const address = addressOf(record.spec);
    return makeVolumeView(record, {
      status,
      processes: this.#platform.observe(address),
      notes: this.#reconciler.notesOf(address),
      addresses: this.addresses,
    });
  }

  /**
   * Such a controller would keep its successor out by the epoch that it takes: no harm to the data, but
   * neither of them would serve for a while.
   */
  #refuseReplaced(address: string, { controller }: Membership): void {
    const holder = this.registry.require(address).membership.controller;
    if (controller === null || controller.instanceId === holder?.instanceId) return;
    const reason = this.#platform.whyReplaced?.(controller.instanceId);
    if (reason === undefined) return;
    throw new KeelsonError(
      'UNAVAILABLE',
      `take volume ${address}: controller ${controller.instanceId.slice(0, 80)} was replaced: ${reason}`,
    );
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
    return isUp ? this.#fetchStatus(this.addresses.controllerAdmin(placeOf(record))) : undefined;
  }

  #authenticate(address: string, secret: string): void {
    if (isSameSecret(this.registry.require(address).secret, secret)) return;
    throw new KeelsonError(
      'UNAUTHENTICATED',
      `registry of ${address}: expected the volume's secret as bearer token`,
    );
  }
}
