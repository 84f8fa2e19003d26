import { makeInitialMembership } from '../../controller/protocol/membership.ts';
import type { FailureMode } from '../../controller/protocol/registration.ts';
import type { Timing } from '../../controller/volume/timing.ts';
import { mapFields } from '../../orchestrator/model/policy.ts';
import { replicaIdOf, type VolumeRecord } from '../../orchestrator/model/volume.ts';
import { BLOCK_BYTES, EXTENT_BYTES, REGION_BYTES } from '../../replica/common/limits.ts';
import { Checks } from './checks.ts';
import { SimController } from './controller.ts';
import { Directory } from './directory.ts';
import type { Dial } from './links.ts';
import { Network } from './network.ts';
import { SimNode } from './node.ts';
import { Operations } from './operations.ts';
import { Oracle } from './oracle.ts';
import { Process, type ProcessOptions } from './process.ts';
import { SimRegistry } from './registry.ts';
import { SimReplica } from './replica.ts';
import { Scheduler } from './scheduler.ts';
import { SIM_TIMING } from './timing.ts';
import { Trace } from './trace.ts';

/** Two whole extents, and a third whose last region is a short one. */
export const VOLUME_BYTES = 2 * EXTENT_BYTES + 2 * REGION_BYTES + 4 * BLOCK_BYTES;
export const BLOCK_COUNT = VOLUME_BYTES / BLOCK_BYTES;

const VOLUME_ID = 'v1';

export interface WorldOptions {
  readonly seed: number;
  /** Copies besides the first. */
  readonly replicas: number;
  readonly nodeCount?: number;
  readonly failureMode?: FailureMode;
  readonly failureTolerance?: number;
  readonly process?: ProcessOptions;
  readonly timing?: Timing;
}

/** All processes, machines and wires of one volume, and whoever watches them. */
export class World {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly trace: Trace;
  readonly oracle = new Oracle();
  readonly checks: Checks;
  readonly operations: Operations;
  readonly registry: SimRegistry;
  readonly nodes: readonly SimNode[];
  readonly replicas = new Map<string, SimReplica>();
  readonly controllers: SimController[] = [];
  /** Told of every process that ended, by itself or not. */
  onControllerEnd: ((controller: SimController) => void) | undefined;
  onReplicaEnd: ((replica: SimReplica) => void) | undefined;
  readonly #process: ProcessOptions;
  readonly #timing: Timing;
  readonly #startTicks = new Map<SimController, number>();
  #directoryCount = 0;

  constructor(options: WorldOptions) {
    const { seed, replicas, nodeCount = replicas + 1 } = options;
    this.seed = seed;
    this.scheduler = new Scheduler(seed);
    this.network = new Network(this.scheduler);
    this.trace = new Trace(this.scheduler);
    this.#process = options.process ?? { hasDrift: false, busyRate: 0 };
    this.#timing = options.timing ?? SIM_TIMING;
    this.nodes = Array.from({ length: nodeCount }, (_, index) => {
      return new SimNode(`node${index + 1}`, this.trace);
    });
    this.registry = new SimRegistry(this.scheduler, this.network, makeVolume(options));
    this.checks = new Checks({
      ...{ oracle: this.oracle, replicas: this.replicas, record: () => this.registry.record },
    });
    this.operations = new Operations(this);
    this.registry.onStored = (before, after) => {
      this.trace.record(after);
      this.checks.stored(before, after);
    };
  }

  /** The newest that is alive; it need not be the one that holds the record. */
  get controller(): SimController {
    return this.controllers.findLast(({ isAlive }) => isAlive) ?? this.controllers.at(-1)!;
  }

  node(name: string): SimNode {
    const node = this.nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  nodeOf(replica: SimReplica): SimNode {
    return this.node(replica.node);
  }

  // Controllers.

  /** Starts a controller; the one before is not touched. */
  startController(): SimController {
    const instanceId = `c${this.controllers.length + 1}`;
    const { scheduler, registry, trace } = this;
    const controller = new SimController({
      ...{ scheduler, registry, trace, instanceId, dial: this.#dialFrom(instanceId) },
      process: new Process(scheduler, this.#process),
      timing: this.#timing,
      onServing: () => this.#serving(controller),
      onPowerLost: () => this.#powerLost(controller),
      onResized: (sizeBytes) => this.checks.resized(sizeBytes),
      onEnd: () => this.onControllerEnd?.(controller),
    });
    this.#startTicks.set(controller, this.oracle.tick());
    this.controllers.push(controller);
    return controller;
  }

  #serving(controller: SimController): void {
    if (this.#isReplaced(controller)) {
      this.operations.supersede([controller]);
      return;
    }
    this.checks.serving(controller, this.#startTicks.get(controller) ?? 0);
    // Epochs tell, not the order of starting: a slow start may take the volume from a quicker one.
    const { epoch } = controller.volume;
    const older = this.controllers.filter((other) => other.wasActive && other.volume.epoch < epoch);
    this.operations.supersede(older);
  }

  #powerLost(controller: SimController): void {
    this.trace.other(`${controller.instanceId} says that writes may be lost`);
    if (this.#isReplaced(controller)) return;
    this.checks.powerLost(controller);
    this.operations.losePower(controller);
  }

  /** One that was stopped for long may think that it serves; nothing that it does is answered. */
  #isReplaced(controller: SimController): boolean {
    const { epoch } = controller.volume;
    return this.controllers.some((other) => other.wasActive && other.volume.epoch > epoch);
  }

  #dialFrom(instanceId: string): Dial {
    const { trace } = this;
    return (host, onMessage) =>
      this.network.connect(
        { controller: instanceId, replica: host },
        {
          toReplica: (connection, message) => {
            trace.message(instanceId, host, message);
            this.node(host).receive(connection, message);
          },
          toController: (connection, message) => {
            trace.message(host, instanceId, message);
            onMessage(connection, message);
          },
        },
      );
  }

  // Replicas.

  replica(replicaId: string): SimReplica {
    const replica = this.replicas.get(replicaId);
    if (replica === undefined) throw new Error(`no replica ${replicaId}`);
    return replica;
  }

  /** Starts a replica on its node, on the directory that is there or on a new one. */
  startReplica(replicaId: string, nodeName = this.replica(replicaId).node): SimReplica {
    const node = this.node(nodeName);
    const replica = this.replicas.get(replicaId) ?? this.#makeReplica(replicaId, nodeName);
    node.replica = replica;
    if (node.isOn) replica.start(node.bootId);
    return replica;
  }

  /** One for each copy of the record. */
  startReplicas(): void {
    for (const [replicaId, { node }] of Object.entries(this.registry.record.copies)) {
      this.startReplica(replicaId, node);
    }
  }

  /** Its node loses power, and with it everything that is not on stable storage. */
  losePower(node: SimNode): void {
    node.losePower((replica) => {
      replica.directory.losePower(this.scheduler.random);
      this.checks.damaged(replica);
      this.onReplicaEnd?.(replica);
    });
  }

  /** The directory is lost: the replica comes up with an empty one, under a data id of its own. */
  loseDirectory(replica: SimReplica): void {
    replica.crash();
    replica.directory = this.#makeDirectory(replica.replicaId);
    this.checks.damaged(replica, true);
    this.onReplicaEnd?.(replica);
  }

  /** The disk is restored from an earlier state, all files together. */
  rollBack(replica: SimReplica, snapshot: Directory): void {
    replica.crash();
    replica.directory = snapshot;
    this.checks.damaged(replica, true);
    this.onReplicaEnd?.(replica);
  }

  killReplica(replica: SimReplica): void {
    replica.crash();
    this.onReplicaEnd?.(replica);
  }

  #makeReplica(replicaId: string, node: string): SimReplica {
    const { scheduler, trace, checks } = this;
    const replica = new SimReplica({
      ...{ scheduler, trace, replicaId, node, process: this.#process },
      directory: this.#makeDirectory(replicaId),
      onChange: (changing, epoch) => checks.changing(changing, epoch),
      onCheckpoint: (asked) => checks.checkpointing(asked),
      onSeen: (seen) => checks.seen(seen),
      onDamage: (damaged) => checks.damaged(damaged),
      onStop: (stopped) => this.onReplicaEnd?.(stopped),
    });
    this.replicas.set(replicaId, replica);
    return replica;
  }

  #makeDirectory(replicaId: string): Directory {
    this.#directoryCount += 1;
    const { sizeBytes } = this.registry.volume.spec;
    const identity = { volumeId: VOLUME_ID, replicaId, sizeBytes };
    return new Directory(identity, `d${this.#directoryCount}`);
  }
}

function makeVolume(options: WorldOptions): VolumeRecord {
  const { replicas, failureMode = 'soft', failureTolerance = replicas } = options;
  const copies = Array.from({ length: replicas + 1 }, (_, index) => ({
    replicaId: replicaIdOf(index + 1),
    node: `node${index + 1}`,
  }));
  return {
    spec: {
      ...{ id: VOLUME_ID, namespace: 'default', name: 'sim', sizeBytes: VOLUME_BYTES },
      ...{ replicas, failureMode, failureTolerance: Math.min(failureTolerance, 4) },
      ...{ initiators: [], allowsSanitize: false },
    },
    ...{
      labels: {},
      defaults: {},
      origins: mapFields(() => ({ from: 'built in' })),
      slot: 0,
      secret: 'secret',
      chap: null,
      isDeleting: false,
      revision: 1,
    },
    establishedReplicas: replicas,
    ...{ nextReplicaNumber: copies.length + 1, leaving: [], removed: [], goneInstances: [] },
    membership: makeInitialMembership(copies, VOLUME_BYTES),
  };
}
