import { makeInitialMembership } from '../../../controller/protocol/membership.ts';
import type { FailureMode, VolumeSpec } from '../../../controller/protocol/registration.ts';
import type { VolumeOperation, VolumeOutcome } from '../../../controller/volume/operation.ts';
import type { RequestHandle } from '../../../controller/volume/step.ts';
import { BLOCK_BYTES } from '../../../replica/common/limits.ts';
import { type BlockRange, makeBlocks, Oracle, type WriteHandle } from './oracle.ts';
import { Scheduler } from './scheduler.ts';
import { SimController } from './sim-controller.ts';
import { SimRegistry } from './sim-registry.ts';
import { SimReplica } from './sim-replica.ts';

/** Two of the regions that a sync copies at a time, so that a write can lie across both. */
export const BLOCK_COUNT = 128;

export interface WorldOptions {
  readonly seed: number;
  /** Copies besides the first. */
  readonly replicas: number;
  readonly failureMode?: FailureMode;
  readonly failureTolerance?: number;
}

/** One operation on its way or done. */
export interface Running {
  readonly controller: SimController;
  readonly request: RequestHandle;
  readonly operation: VolumeOperation;
  outcome: VolumeOutcome | undefined;
}

/** One volume: its replicas, its registry, its controllers one after the other, and the oracle. */
export class World {
  readonly scheduler: Scheduler;
  readonly registry: SimRegistry;
  readonly replicas: readonly SimReplica[];
  readonly oracle = new Oracle(BLOCK_COUNT);
  readonly controllers: SimController[] = [];
  readonly #spec: VolumeSpec;
  readonly #writes = new Map<SimController, WriteHandle[]>();
  #stamp = 0;

  constructor(options: WorldOptions) {
    const { seed, replicas, failureMode = 'soft', failureTolerance = replicas } = options;
    this.scheduler = new Scheduler(seed);
    const sizeBytes = BLOCK_COUNT * BLOCK_BYTES;
    this.#spec = {
      ...{ id: 'v1', namespace: 'default', name: 'sim', sizeBytes, replicas, failureMode },
      failureTolerance: Math.min(failureTolerance, 4),
    };
    this.replicas = Array.from({ length: replicas + 1 }, (_, index) => {
      const blank = { epoch: 0, instanceId: null, session: 0, isClean: true, isPristine: true };
      const identity = { volumeId: 'v1', replicaId: `r${index}`, dataId: `d${index}` };
      return new SimReplica(this.scheduler, { ...blank, ...identity, sizeBytes });
    });
    const copies = this.replicas.map(({ replicaId }) => ({ replicaId, node: `n-${replicaId}` }));
    this.registry = new SimRegistry(this.scheduler, makeInitialMembership(copies));
  }

  /** The newest that is alive; it need not be the one that holds the record. */
  get controller(): SimController {
    return this.controllers.findLast(({ isAlive }) => isAlive) ?? this.controllers.at(-1)!;
  }

  /** Starts a controller; the one before is not touched. */
  startController(): SimController {
    const { scheduler, registry, replicas } = this;
    const instanceId = `c${this.controllers.length + 1}`;
    const parts = { scheduler, registry, replicas, spec: this.#spec, instanceId };
    const controller = new SimController(parts, () => this.#supersedeOlder(controller));
    this.controllers.push(controller);
    return controller;
  }

  #supersedeOlder(active: SimController): void {
    for (const controller of this.controllers) {
      if (!isOlder(controller, active)) continue;
      for (const write of this.#writes.get(controller) ?? []) write.supersede();
      this.#writes.delete(controller);
    }
  }

  // Operations, each told to the oracle.

  write(range: BlockRange, fua = false, controller = this.controller): Running {
    this.#stamp += 1;
    const data = makeBlocks(this.#stamp, range.count);
    const operation = { kind: 'write', offset: range.first * BLOCK_BYTES, data, fua } as const;
    return this.#submitWrite(controller, operation, this.#beginWrite(controller, range));
  }

  /** Each block at most once, and only after it was written (see `Oracle`). */
  trim(range: BlockRange, controller = this.controller): Running {
    const { offset, length } = bytesOf(range);
    const handle = this.oracle.beginWrite(0, range);
    this.#rememberWrite(controller, handle);
    return this.#submitWrite(controller, { kind: 'trim', offset, length }, handle);
  }

  read(range: BlockRange, controller = this.controller): Running {
    const start = this.oracle.tick();
    return this.#submit(controller, { kind: 'read', ...bytesOf(range) }, (outcome) => {
      // Reads of a superseded controller need leases to be right (I7).
      if (outcome.ok && this.registry.record.controller?.instanceId === controller.instanceId) {
        this.oracle.endRead(start, range.first, outcome.data!);
      }
    });
  }

  flush(controller = this.controller): Running {
    return this.#submit(controller, { kind: 'flush' }, () => undefined);
  }

  /** What was cancelled before it was sent completes at once and must never be seen (I15). */
  cancel(running: Running): void {
    if (running.outcome !== undefined) return;
    running.controller.step({ kind: 'cancel', request: running.request });
    if (running.outcome !== undefined) this.#handles.get(running)?.forbid();
  }

  readonly #handles = new WeakMap<Running, WriteHandle>();

  #beginWrite(controller: SimController, range: BlockRange): WriteHandle {
    const handle = this.oracle.beginWrite(this.#stamp, range);
    this.#rememberWrite(controller, handle);
    return handle;
  }

  /** Writes to a controller that was replaced already come too late. */
  #rememberWrite(controller: SimController, handle: WriteHandle): void {
    if (this.controllers.some((other) => other.wasActive && isOlder(controller, other)))
      handle.supersede();
    else this.#writes.set(controller, [...(this.#writes.get(controller) ?? []), handle]);
  }

  #submitWrite(
    controller: SimController,
    operation: VolumeOperation,
    handle: WriteHandle,
  ): Running {
    const running = this.#submit(controller, operation, (outcome) => {
      if (outcome.ok) handle.acknowledge();
    });
    this.#handles.set(running, handle);
    return running;
  }

  #submit(
    controller: SimController,
    operation: VolumeOperation,
    done: (outcome: VolumeOutcome) => void,
  ): Running {
    const running: { -readonly [Key in keyof Running]?: Running[Key] } = { controller, operation };
    running.outcome = undefined;
    running.request = controller.submit(operation, (outcome) => {
      running.outcome = outcome;
      done(outcome);
      this.onDone?.(running as Running);
    });
    return running as Running;
  }

  /** For a workload that goes on when an operation is done. */
  onDone: ((running: Running) => void) | undefined;
}

/** Epochs tell, not the order of starting: a slow start may take the volume from a quicker one. */
function isOlder(one: SimController, other: SimController): boolean {
  return one.wasActive && one.volume.epoch < other.volume.epoch;
}

function bytesOf(range: BlockRange): { offset: number; length: number } {
  return { offset: range.first * BLOCK_BYTES, length: range.count * BLOCK_BYTES };
}
