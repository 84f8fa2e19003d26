import { FAILURE_MODES } from '../../controller/protocol/registration.ts';
import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { CopyFaults, mendDisk } from './copy-faults.ts';
import type { FaultKind } from './fault-model.ts';
import { FaultTools } from './fault-tools.ts';
import { NORMAL_DELAYS } from './network.ts';
import { disturbNetwork } from './network-faults.ts';
import type { SimNode } from './node.ts';
import type { Orchestrator } from './orchestrator.ts';
import type { World } from './world.ts';

export interface FaultOptions {
  readonly kinds: readonly FaultKind[];
  /** Mean pause between two faults. */
  readonly pauseMs: number;
  /** The longest that most faults last. */
  readonly lastsMs: number;
  readonly untilMs: number;
}

/** A controller that was asked to stop is killed after this. */
const STOP_GRACE_MS = 250;
const MAX_REPLICAS = 5;

/** Breaks things at random and mends them some time later. */
export class Faults {
  /** How often each was done. */
  readonly counts = new Map<FaultKind, number>();
  readonly #options: FaultOptions;
  readonly #tools: FaultTools;
  readonly #copies: CopyFaults;

  constructor(world: World, orchestrator: Orchestrator, options: FaultOptions) {
    this.#options = options;
    this.#tools = new FaultTools(world, orchestrator, options.lastsMs);
    this.#copies = new CopyFaults(this.#tools);
    if (options.kinds.length > 0) this.#breakLater();
  }

  /** Mends everything at once. */
  healAll(): void {
    const { network, registry, nodes, replicas, controllers } = this.#tools.world;
    network.delays = NORMAL_DELAYS;
    network.healAll();
    Object.assign(registry, { lossRate: 0, slowMs: 0 });
    for (const node of nodes) {
      node.powerOn();
      node.downSinceMs = undefined;
    }
    for (const replica of replicas.values()) {
      mendDisk(replica);
      replica.crashAfter = undefined;
      replica.process?.resume();
    }
    for (const controller of controllers) {
      controller.crashAfter = undefined;
      controller.process.resume();
    }
    this.#tools.orchestrator.look();
  }

  #breakLater(): void {
    const { scheduler } = this.#tools.world;
    const { pauseMs, untilMs, kinds } = this.#options;
    scheduler.after(this.#tools.random.between(0, 2 * pauseMs), () => {
      if (scheduler.nowMs >= untilMs) return;
      const kind = this.#tools.random.pick(kinds);
      if (this.#break(kind)) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      this.#breakLater();
    });
  }

  /** Returns false when there is nothing to do it to. */
  #break(kind: FaultKind): boolean {
    switch (kind) {
      case 'break-connection':
      case 'cut-route':
      case 'cut-node':
      case 'cut-registry':
      case 'partition':
      case 'slow-network':
      case 'lose-registry-messages':
      case 'slow-registry':
        return disturbNetwork(kind, this.#tools);
      case 'kill-controller':
      case 'kill-controller-within':
      case 'stop-controller':
      case 'shut-controller-down':
      case 'second-controller':
        return this.#disturbController(kind);
      case 'power-loss':
      case 'power-loss-everywhere':
        return this.#losePower(kind === 'power-loss-everywhere');
      case 'take-node-down':
        return this.#takeDown(this.#tools.random.pick(this.#tools.world.nodes));
      case 'change-policy':
      case 'change-replicas':
        return this.#operate(kind === 'change-replicas');
      case 'grow-volume':
        return this.#growVolume();
      default:
        return this.#copies.disturb(kind);
    }
  }

  #disturbController(kind: FaultKind): boolean {
    const { random, orchestrator } = this.#tools;
    const controller = this.#tools.pickController();
    if (controller === undefined) return false;
    const { instanceId, process } = controller;
    switch (kind) {
      case 'kill-controller':
        this.#tools.note(`${instanceId} is killed`);
        controller.crash();
        return true;
      case 'kill-controller-within':
        controller.crashAfter = random.below(8);
        return true;
      case 'stop-controller':
        process.pause();
        this.#tools.mendLater(`${instanceId} is stopped`, () => process.resume());
        if (random.chance(0.3)) orchestrator.forgetController();
        return true;
      case 'shut-controller-down':
        this.#tools.note(`${instanceId} is asked to stop`);
        controller.shutDown();
        this.#tools.world.scheduler.after(STOP_GRACE_MS, () => controller.crash());
        return true;
      default:
        this.#tools.note('the orchestrator starts another controller');
        orchestrator.forgetController();
        return true;
    }
  }

  #losePower(isEverywhere: boolean): boolean {
    const { world, random, orchestrator } = this.#tools;
    const places = isEverywhere ? world.nodes : [random.pick(world.nodes)];
    const losing = places.filter(({ isOn }) => isOn);
    for (const node of losing) {
      world.losePower(node);
      node.downSinceMs = world.scheduler.nowMs;
      this.#tools.later(() => {
        node.powerOn();
        node.downSinceMs = undefined;
        orchestrator.look();
      });
    }
    if (isEverywhere && random.chance(0.5)) this.#tools.pickController()?.crash(false);
    return losing.length > 0;
  }

  #takeDown(node: SimNode): boolean {
    const { world, orchestrator } = this.#tools;
    if (node.downSinceMs !== undefined) return false;
    node.downSinceMs = world.scheduler.nowMs;
    if (node.replica !== undefined) world.killReplica(node.replica);
    this.#tools.mendLater(`${node.name} is down`, () => {
      node.downSinceMs = undefined;
      orchestrator.look();
    });
    return true;
  }

  /** Sometimes within the region that the old end is in, sometimes by more than an extent. */
  #growVolume(): boolean {
    const { world, random } = this.#tools;
    const { spec } = world.registry.volume;
    const sizeBytes = spec.sizeBytes + (1 + random.below(random.pick([8, 40, 1500]))) * BLOCK_BYTES;
    this.#tools.note(`the volume is to have ${sizeBytes / BLOCK_BYTES} blocks`);
    world.registry.edit((volume) => ({ ...volume, spec: { ...volume.spec, sizeBytes } }));
    return true;
  }

  #operate(isAboutReplicas: boolean): boolean {
    const { world, random } = this.#tools;
    const { registry, nodes } = world;
    const { spec } = registry.volume;
    const replicas = random.below(Math.min(nodes.length, MAX_REPLICAS + 1));
    const policy = isAboutReplicas
      ? { replicas }
      : {
          failureMode: random.pick(FAILURE_MODES),
          failureTolerance: random.below(Math.max(1, Math.min(spec.replicas + 1, MAX_REPLICAS))),
        };
    this.#tools.note(`the policy becomes ${JSON.stringify(policy)}`);
    registry.edit((volume) => ({ ...volume, spec: { ...volume.spec, ...policy } }));
    return true;
  }
}
