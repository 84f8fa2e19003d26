import type { ControllerStatus } from '../../controller/protocol/status.ts';
import { unreachable } from '../../replica/common/assert.ts';
import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { EventLog } from '../events/event-log.ts';
import type { Endpoint } from '../model/address-plan.ts';
import { explainChange } from '../model/explain.ts';
import type { StartedInstance } from '../model/instance.ts';
import { addressOf, placeOf, type RemovedCopy, type VolumeRecord } from '../model/volume.ts';
import { type Action, type CopyEdit, isCopyEdit } from '../plan/actions.ts';
import { restartDelayMs } from '../plan/backoff.ts';
import type { Observed } from '../plan/observed.ts';
import { plan } from '../plan/plan.ts';
import { describeProcess, type ProcessSpec } from '../plan/processes.ts';
import type { Platform, ProcessChange } from '../platforms/platform.ts';
import type { Registry } from '../registry/registry.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { observeNodes } from './observe-nodes.ts';
import { StatusWatch } from './status-watch.ts';
import { Waiters } from './waiters.ts';

export interface ReconcilerOptions {
  readonly registry: Registry;
  readonly events: EventLog;
  readonly platform: Platform;
  readonly fetchStatus: (admin: Endpoint) => Promise<ControllerStatus | undefined>;
  /** How long a copy may be away before another is made on another node. */
  readonly replaceAfterMs: number;
}

/** Makes every volume what it should be: plans whenever something changed, and carries it out. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #queue: KeyedQueue;
  readonly #status: StatusWatch;
  readonly #ready = new Waiters();
  readonly #deleted = new Waiters();
  /** By volume: what its last plan had to say. */
  readonly #notes = new Map<string, readonly string[]>();
  /** Directories that are being erased at this moment. */
  readonly #erasing = new Set<string>();
  #isStarted = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue(
      (address) => this.#reconcile(address),
      (address, error) => this.#tell(address, `${messageOf(error)}; trying again`),
    );
    this.#status = new StatusWatch(options.fetchStatus, (address) => this.add(address));
    options.registry.subscribe((address) => this.add(address));
  }

  /**
   * Plans nothing before: while a platform looks around, what it has not found yet would be started
   * a second time.
   */
  start(): void {
    this.#isStarted = true;
    this.addAll();
  }

  /** Looks at this volume, now. */
  add(address: string): void {
    if (this.#isStarted) this.#queue.add(address);
  }

  addAll(): void {
    for (const { spec } of this.#options.registry.list()) this.add(addressOf(spec));
  }

  /** What keeps the volume from what it should be, as its last plan had it. */
  notesOf(address: string): readonly string[] {
    return this.#notes.get(address) ?? [];
  }

  /** Starts nothing any more. */
  close(): void {
    this.#queue.close();
    this.#ready.close();
    this.#deleted.close();
  }

  /** Resolves with whether the volume's controller serves within that time. */
  async whenReady(address: string, timeoutMs: number): Promise<boolean> {
    const isReady = this.#options.platform
      .observe(address)
      .some(({ role, state }) => role === 'controller' && state === 'ready');
    return isReady || this.#ready.wait(address, timeoutMs);
  }

  /** Resolves with whether the volume is gone within that time. */
  whenDeleted(address: string, timeoutMs: number): Promise<boolean> {
    return this.#deleted.wait(address, timeoutMs);
  }

  onProcessChange(change: ProcessChange): void {
    if (change.kind === 'nodes-changed') {
      this.addAll();
      return;
    }
    const address = addressOf(change.process.volume);
    if (change.kind === 'controller-started') {
      this.#noteStarted({
        volume: address,
        instanceId: change.instanceId,
        process: change.identity,
      });
      return;
    }
    if (change.kind === 'instance-gone') {
      this.#noteGone(address, change.instanceId);
      return;
    }
    const what = describeProcess(change.process);
    if (change.kind === 'ready') {
      this.#tell(address, `${what} ready at ${change.address}`);
      if (change.process.role === 'controller') this.#ready.resolve(address);
      return;
    }
    if (change.kind === 'held-up') {
      this.#tell(address, `${what} cannot start yet: ${change.reason}`);
      return;
    }
    if (change.kind === 'paused') {
      this.#tell(address, change.isPaused ? `${what} is paused` : `${what} goes on`);
      return;
    }
    if (change.instanceId !== undefined) this.#noteGone(address, change.instanceId);
    // First of all the restart: it is what the initiator waits for.
    this.add(address);
    if (change.isStopped) {
      this.#tell(address, `${what} stopped`);
      return;
    }
    const exited = `${what} exited (${change.reason})`;
    const delayMs = restartDelayMs(change.quickExits);
    if (this.#isPlaceDown(change.process)) this.#tell(address, exited);
    else if (delayMs === 0) this.#tell(address, `${exited}, restarting`);
    else this.#tell(address, `${exited}, restarting in ${delayMs} ms`);
  }

  #isPlaceDown(process: ProcessSpec): boolean {
    if (process.role === 'controller') return false;
    const nodes = this.#options.platform.observeNodes();
    return nodes.some(({ name, down }) => name === process.node && down !== undefined);
  }

  async #reconcile(address: string): Promise<number | undefined> {
    const { registry, platform, replaceAfterMs } = this.#options;
    const record = registry.get(address);
    if (record === undefined) {
      this.#notes.delete(address);
      this.#status.forget(address);
      return undefined;
    }
    const times = { nowMs: monotonicClock.nowMs(), replaceAfterMs };
    const { actions, wakeAtMs, notes, needsStatus } = plan(record, this.#observe(record), times);
    const known = this.#notes.get(address) ?? [];
    for (const note of notes) if (!known.includes(note)) this.#tell(address, note);
    this.#notes.set(address, notes);
    if (needsStatus) this.#status.ask(address, platform.addresses.controllerAdmin(placeOf(record)));
    else this.#status.forget(address);
    for (const action of actions) {
      if (!isCopyEdit(action)) await this.#act(record, action);
    }
    await this.#changeCopies(record, actions.filter(isCopyEdit));
    return wakeAtMs;
  }

  #observe(record: VolumeRecord): Observed {
    const { registry, platform } = this.#options;
    const address = addressOf(record.spec);
    return {
      processes: platform.observe(address),
      copies: this.#status.copiesOf(address),
      nodes: observeNodes(registry, platform),
    };
  }

  #act(record: VolumeRecord, action: Exclude<Action, CopyEdit>): Promise<void> | undefined {
    switch (action.kind) {
      case 'start':
        this.#options.platform.start(action.process);
        return undefined;
      case 'stop':
        // Not awaited: its exit is a change like any other, and starts the next round.
        void this.#options.platform.stop(action.key);
        return undefined;
      case 'erase-copy':
        // Not awaited either: a large file takes its time, and a controller may need a restart.
        void this.#eraseCopy(record, action);
        return undefined;
      case 'erase':
        return this.#erase(record);
      default:
        return unreachable(action, 'action');
    }
  }

  async #changeCopies(record: VolumeRecord, edits: readonly CopyEdit[]): Promise<void> {
    if (edits.length === 0) return;
    const address = addressOf(record.spec);
    const { version } = record.membership;
    try {
      const { before, after } = await this.#options.registry.changeCopies(address, version, edits);
      const intent = { wanted: after.spec.replicas + 1, leaving: [] };
      const messages = explainChange(before.membership, after.membership, intent);
      for (const message of messages) this.#tell(address, message);
      for (const replicaId of after.leaving) {
        if (!before.leaving.includes(replicaId)) this.#tell(address, `copy ${replicaId} is to go`);
      }
    } catch (error) {
      // A controller was faster: its change starts the next round, which sees it.
      if (!(error instanceof KeelsonError && error.code === 'CONFLICT')) throw error;
    }
  }

  /** The record remembers the directory until it is erased, so a crash here loses nothing. */
  async #eraseCopy(record: VolumeRecord, { replicaId, node }: RemovedCopy): Promise<void> {
    const { platform, registry } = this.#options;
    const address = addressOf(record.spec);
    const key = `${address} ${replicaId}`;
    if (this.#erasing.has(key)) return;
    this.#erasing.add(key);
    try {
      await platform.eraseCopy(record.spec, { replicaId, node });
      await registry.forgetRemoved(address, replicaId);
    } catch (error) {
      this.#tell(address, `erase copy ${replicaId} on ${node}: ${messageOf(error)}`);
    } finally {
      this.#erasing.delete(key);
    }
  }

  async #erase(record: VolumeRecord): Promise<void> {
    const address = addressOf(record.spec);
    const left = await this.#options.platform.erase(record);
    for (const directory of left) {
      this.#tell(
        address,
        `${directory} is left behind, its node or its disk is away; remove it by hand`,
      );
    }
    await this.#options.registry.remove(address);
    this.#tell(address, 'deleted');
    this.#deleted.resolve(address);
  }

  /** Asked for before the controller can ask for its registration, which has it durable therefore. */
  #noteStarted(instance: StartedInstance): void {
    // If it cannot be stored, nobody will know that it is gone: slow as well, not wrong.
    this.#options.registry.addStartedInstance(instance).catch(() => undefined);
  }

  /** Asked for before the next controller is started, so that what that one reads has it. */
  #noteGone(address: string, instanceId: string): void {
    // If it cannot be stored, the next controller waits for leases that nobody holds: slow, not wrong.
    this.#options.registry.addGoneInstance(address, instanceId).catch(() => undefined);
  }

  #tell(address: string, message: string): void {
    this.#options.events.add(address, message);
  }
}
