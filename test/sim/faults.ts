import { FAILURE_MODES } from '../../controller/protocol/registration.ts';
import type { SeededRandom } from '../support/random.ts';
import type { SimController } from './controller.ts';
import type { Directory } from './directory.ts';
import type { FaultKind } from './fault-model.ts';
import { breakConnection } from './network.ts';
import type { Orchestrator } from './orchestrator.ts';
import { REGISTRY_HOST } from './registry.ts';
import type { DiskFailure, SimReplica } from './replica.ts';
import type { World } from './world.ts';

export interface FaultOptions {
  readonly kinds: readonly FaultKind[];
  /** Mean pause between two faults. */
  readonly pauseMs: number;
  /** The longest that a fault lasts. */
  readonly lastsMs: number;
  readonly untilMs: number;
}

const NORMAL_SYNC_MS = 5;
const NORMAL_SAVE_MS = 1;

/** Breaks things at random and mends them some time later. */
export class Faults {
  /** How often each was done. */
  readonly counts = new Map<FaultKind, number>();
  readonly #world: World;
  readonly #orchestrator: Orchestrator;
  readonly #options: FaultOptions;
  readonly #random: SeededRandom;
  readonly #snapshots = new Map<SimReplica, Directory>();

  constructor(world: World, orchestrator: Orchestrator, options: FaultOptions) {
    this.#world = world;
    this.#orchestrator = orchestrator;
    this.#options = options;
    this.#random = world.scheduler.random;
    if (options.kinds.length > 0) this.#breakLater();
  }

  /** Mends everything at once. */
  healAll(): void {
    const { network, registry, nodes, replicas, controllers } = this.#world;
    network.delays = { minMs: 0.1, maxMs: 2 };
    network.healAll();
    Object.assign(registry, { lossRate: 0, slowMs: 0 });
    for (const node of nodes) {
      node.powerOn();
      node.downSinceMs = undefined;
    }
    for (const replica of replicas.values()) {
      this.#mendDisk(replica);
      replica.crashAfter = undefined;
      replica.process?.resume();
    }
    for (const controller of controllers) controller.process.resume();
    this.#orchestrator.look();
  }

  #breakLater(): void {
    const { scheduler } = this.#world;
    const { pauseMs, untilMs } = this.#options;
    scheduler.after(this.#random.between(0, 2 * pauseMs), () => {
      if (scheduler.nowMs >= untilMs) return;
      this.#break(this.#random.pick(this.#options.kinds));
      this.#breakLater();
    });
  }

  #break(kind: FaultKind): void {
    if (!this.#attempt(kind)) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** Returns false when there is nothing to do it to. */
  #attempt(kind: FaultKind): boolean {
    switch (kind) {
      case 'break-connection':
        return this.#breakConnection();
      case 'cut-route':
      case 'cut-node':
      case 'cut-registry':
      case 'slow-network':
      case 'lose-registry-messages':
      case 'slow-registry':
        return this.#disturbNetwork(kind);
      case 'kill-controller':
      case 'stop-controller':
      case 'shut-controller-down':
      case 'second-controller':
        return this.#disturbController(kind);
      case 'power-loss':
      case 'power-loss-everywhere':
      case 'take-node-down':
        return this.#disturbNodes(kind);
      case 'change-policy':
      case 'change-replicas':
        return this.#operate(kind);
      default: {
        const replica = this.#pickReplica();
        return replica !== undefined && this.#disturbReplica(kind, replica);
      }
    }
  }

  // The network.

  #breakConnection(): boolean {
    const connections = [...this.#world.network.connections];
    if (connections.length === 0) return false;
    const connection = this.#random.pick(connections);
    const { controller, replica } = connection.hosts;
    this.#note(`the connection of ${controller} to ${replica} breaks`);
    breakConnection(connection);
    return true;
  }

  #disturbNetwork(kind: FaultKind): boolean {
    const { network, registry, nodes } = this.#world;
    const controller = this.#pickController();
    const node = this.#random.pick(nodes);
    switch (kind) {
      case 'cut-route':
        if (controller === undefined) return false;
        this.#cut(controller.instanceId, [node.name]);
        return true;
      case 'cut-node':
        this.#cut(
          node.name,
          this.#world.controllers.map(({ instanceId }) => instanceId),
        );
        return true;
      case 'cut-registry':
        if (controller === undefined) return false;
        this.#cut(controller.instanceId, [REGISTRY_HOST]);
        return true;
      case 'slow-network':
        network.delays = { minMs: 0.1, maxMs: this.#random.pick([10, 30]) };
        this.#mendLater('the network is slow', () => {
          network.delays = { minMs: 0.1, maxMs: 2 };
        });
        return true;
      case 'slow-registry':
        registry.slowMs = this.#random.pick([20, 100]);
        this.#mendLater('the registry is slow', () => {
          registry.slowMs = 0;
        });
        return true;
      default:
        registry.lossRate = 0.6;
        this.#mendLater('the registry loses messages', () => {
          registry.lossRate = 0;
        });
        return true;
    }
  }

  #cut(host: string, others: readonly string[]): void {
    const { network } = this.#world;
    const way = this.#random.pick(['to', 'from', 'both'] as const);
    const routes = others.flatMap((other) => [
      ...(way === 'from' ? [] : [network.route(host, other)]),
      ...(way === 'to' ? [] : [network.route(other, host)]),
    ]);
    for (const route of routes) route.cut();
    this.#mendLater(`${host} is cut off (${way}) ${others.join(' ')}`, () => {
      for (const route of routes) route.heal();
    });
    if (this.#random.chance(0.3)) this.#resetLater(host, others);
  }

  /** One end has waited for long enough; the other does not hear of it before the cut is mended. */
  #resetLater(host: string, others: readonly string[]): void {
    const { network, scheduler } = this.#world;
    scheduler.after(this.#random.between(0, this.#options.lastsMs), () => {
      for (const connection of network.connections) {
        const { controller, replica } = connection.hosts;
        if (![controller, replica].includes(host)) continue;
        if (others.includes(controller) || others.includes(replica)) breakConnection(connection);
      }
    });
  }

  // Controllers.

  #pickController(): SimController | undefined {
    const alive = this.#world.controllers.filter(({ isAlive }) => isAlive);
    return alive.length === 0 ? undefined : this.#random.pick(alive);
  }

  #disturbController(kind: FaultKind): boolean {
    const controller = this.#pickController();
    if (controller === undefined) return false;
    const { instanceId, process } = controller;
    switch (kind) {
      case 'kill-controller':
        this.#note(`${instanceId} is killed`);
        controller.crash();
        return true;
      case 'stop-controller':
        process.pause();
        this.#mendLater(`${instanceId} is stopped`, () => process.resume());
        return true;
      case 'shut-controller-down':
        this.#note(`${instanceId} is asked to stop`);
        controller.shutDown();
        this.#world.scheduler.after(this.#options.lastsMs, () => controller.crash());
        return true;
      default:
        this.#note('the orchestrator starts another controller');
        this.#orchestrator.forgetController();
        return true;
    }
  }

  // Nodes.

  #disturbNodes(kind: FaultKind): boolean {
    const { nodes } = this.#world;
    const node = this.#random.pick(nodes);
    if (kind === 'take-node-down') {
      if (node.downSinceMs !== undefined) return false;
      node.downSinceMs = this.#world.scheduler.nowMs;
      if (node.replica !== undefined) this.#world.killReplica(node.replica);
      this.#mendLater(`${node.name} is down`, () => {
        node.downSinceMs = undefined;
        this.#orchestrator.look();
      });
      return true;
    }
    const losing = (kind === 'power-loss' ? [node] : nodes).filter(({ isOn }) => isOn);
    for (const one of losing) this.#losePower(one);
    const isTotal = kind === 'power-loss-everywhere' && this.#random.chance(0.5);
    if (isTotal) this.#pickController()?.crash(false);
    return losing.length > 0;
  }

  #losePower(node: World['nodes'][0]): void {
    this.#world.losePower(node);
    node.downSinceMs = this.#world.scheduler.nowMs;
    this.#later(() => {
      node.powerOn();
      node.downSinceMs = undefined;
      this.#orchestrator.look();
    });
  }

  // Copies.

  #pickReplica(): SimReplica | undefined {
    const { registry, replicas } = this.#world;
    const present = Object.keys(registry.record.copies).flatMap((id) => replicas.get(id) ?? []);
    return present.length === 0 ? undefined : this.#random.pick(present);
  }

  #disturbReplica(kind: FaultKind, replica: SimReplica): boolean {
    const { replicaId } = replica;
    switch (kind) {
      case 'kill-replica':
        this.#note(`${replicaId} is killed`);
        this.#world.killReplica(replica);
        return true;
      case 'kill-replica-within':
        replica.crashAfter = this.#random.below(8);
        return true;
      case 'stop-replica': {
        const { process } = replica;
        process?.pause();
        this.#mendLater(`${replicaId} is stopped`, () => process?.resume());
        return process !== undefined;
      }
      case 'shut-replica-down':
        this.#note(`${replicaId} is asked to stop`);
        replica.shutDown();
        return true;
      case 'flip-bit':
        this.#world.killReplica(replica);
        this.#note(`a bit of ${replica.directory.flipBit(this.#random)} of ${replicaId} flips`);
        return true;
      case 'lose-directory':
        return this.#loseDirectory(replica);
      case 'roll-back':
        return this.#rollBack(replica);
      default:
        return this.#disturbDisk(kind, replica);
    }
  }

  #disturbDisk(kind: FaultKind, replica: SimReplica): boolean {
    const { replicaId } = replica;
    if (kind === 'fill-disk') {
      replica.isFull = true;
      this.#mendLater(`the disk of ${replicaId} is full`, () => this.#mendDisk(replica));
    } else if (kind === 'slow-disk') {
      replica.syncMs = this.#random.pick([50, 300]);
      replica.saveMs = this.#random.pick([5, 50, 200]);
      this.#mendLater(`the disk of ${replicaId} is slow`, () => this.#mendDisk(replica));
    } else {
      const failure = kind.slice('fail-'.length) as DiskFailure;
      replica.failure = failure;
      this.#note(`the next ${failure} of ${replicaId} fails`);
    }
    return true;
  }

  #mendDisk(replica: SimReplica): void {
    replica.isFull = false;
    replica.syncMs = NORMAL_SYNC_MS;
    replica.saveMs = NORMAL_SAVE_MS;
    replica.failure = undefined;
  }

  /** Never the last good directory: then there would be nothing left to check. */
  #loseDirectory(replica: SimReplica): boolean {
    if (!this.#isSpare(replica)) return false;
    this.#note(`the directory of ${replica.replicaId} is lost`);
    this.#world.loseDirectory(replica);
    return true;
  }

  /** The first time a snapshot is taken; later, in another session, the disk goes back to it. */
  #rollBack(replica: SimReplica): boolean {
    const snapshot = this.#snapshots.get(replica);
    const recorded = this.#world.registry.record.copies[replica.replicaId];
    const isOfDirectory =
      snapshot?.metadata.dataId === replica.directory.metadata.dataId &&
      recorded?.dataId === snapshot?.metadata.dataId;
    if (snapshot === undefined || recorded === undefined || !isOfDirectory) {
      this.#snapshots.set(replica, replica.directory.snapshot());
      return true;
    }
    if (snapshot.metadata.session >= recorded.session || !this.#isSpare(replica)) return false;
    this.#note(`${replica.replicaId} goes back to session ${snapshot.metadata.session}`);
    this.#snapshots.delete(replica);
    this.#world.rollBack(replica, snapshot);
    return true;
  }

  #isSpare(replica: SimReplica): boolean {
    const { replicas, registry, checks } = this.#world;
    return Object.entries(registry.record.copies).some(([replicaId, copy]) => {
      const other = replicas.get(replicaId);
      if (other === undefined || other === replica || copy.state !== 'in-sync') return false;
      return other.directory.metadata.dataId === copy.dataId && !checks.isDestroyed(other);
    });
  }

  // Operators.

  #operate(kind: FaultKind): boolean {
    const { registry, nodes } = this.#world;
    const { spec } = registry.volume;
    const replicas =
      kind === 'change-replicas' ? this.#random.below(Math.min(nodes.length, 6)) : spec.replicas;
    const failureMode = this.#random.pick(FAILURE_MODES);
    const failureTolerance = this.#random.below(Math.max(1, Math.min(replicas + 1, 5)));
    const policy = kind === 'change-replicas' ? { replicas } : { failureMode, failureTolerance };
    this.#note(`the policy becomes ${JSON.stringify(policy)}`);
    registry.edit((volume) => ({ ...volume, spec: { ...volume.spec, ...policy } }));
    return true;
  }

  // Time.

  #note(what: string): void {
    this.#world.trace.fault(what);
  }

  #later(action: () => void): void {
    // Mostly shorter than the waits of the data path, sometimes much longer.
    const longestMs = this.#options.lastsMs * (this.#random.chance(0.7) ? 0.3 : 1);
    this.#world.scheduler.after(this.#random.between(1, longestMs), action);
  }

  #mendLater(what: string, mend: () => void): void {
    this.#note(what);
    this.#later(() => {
      this.#note(`no more: ${what}`);
      mend();
    });
  }
}
