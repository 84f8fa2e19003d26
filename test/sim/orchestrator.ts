import type { CopyStatus } from '../../controller/protocol/status.ts';
import { type Action, type CopyEdit, isCopyEdit } from '../../orchestrator/plan/actions.ts';
import { countQuickExits, isFailing, LOOK_AGAIN_MS } from '../../orchestrator/plan/backoff.ts';
import type { ObservedNode, ObservedProcess } from '../../orchestrator/plan/observed.ts';
import { plan } from '../../orchestrator/plan/plan.ts';
import type { ProcessSpec } from '../../orchestrator/plan/processes.ts';
import { withCopies, withGoneInstance } from '../../orchestrator/registry/edits.ts';
import type { SimController } from './controller.ts';
import { REGISTRY_HOST } from './registry.ts';
import type { SimReplica } from './replica.ts';
import type { World } from './world.ts';

/** The planner's waits are real seconds; everything here is a twentieth of them (timing.ts). */
const TIME_SCALE = 20;
const MAX_BOOT_MS = 15;
/** A process that was asked to stop is killed after this. */
const STOP_GRACE_MS = 250;
const MAX_ANSWER_MS = 10;
const MAX_ERASE_MS = 20;

interface Slot {
  readonly spec: ProcessSpec;
  state: ObservedProcess['state'];
  /** Of a controller. */
  controller?: SimController;
  startedAtMs: number;
  exitedAtMs: number;
  quickExits: number;
  failingSinceMs: number;
}

/** The orchestrator: the real planner and the real rules, on a simulated platform. */
export class Orchestrator {
  readonly #world: World;
  readonly #replaceAfterMs: number;
  readonly #slots = new Map<string, Slot>();
  readonly #erasing = new Set<string>();
  #status: { readonly copies: readonly CopyStatus[]; readonly atMs: number } | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #isDue = false;
  #isClosed = false;

  constructor(world: World, replaceAfterMs: number) {
    this.#world = world;
    this.#replaceAfterMs = replaceAfterMs;
    world.registry.listeners.push(() => this.look());
    world.onControllerEnd = (controller) => this.#controllerEnded(controller);
    world.onReplicaEnd = (replica) => this.#replicaEnded(replica);
    this.look();
  }

  /** Looks at the volume soon. */
  look(): void {
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    this.#world.scheduler.after(1, () => {
      this.#isDue = false;
      if (!this.#isClosed) this.#reconcile();
    });
  }

  /** Starts nothing any more. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * It restarts and does not know the controller that is running: it starts another one, and will
   * never hear of the end of this one.
   */
  forgetController(): void {
    for (const [key, { spec }] of this.#slots) {
      if (spec.role === 'controller') this.#slots.delete(key);
    }
    this.look();
  }

  get #nowMs(): number {
    return this.#world.scheduler.nowMs * TIME_SCALE;
  }

  #reconcile(): void {
    const { registry, scheduler } = this.#world;
    const observed = {
      processes: [...this.#slots.values()].map((slot) => this.#observe(slot)),
      nodes: this.#world.nodes.map((node) => this.#observeNode(node)),
      copies: this.#copies,
    };
    const replaceAfterMs = this.#replaceAfterMs * TIME_SCALE;
    const times = { nowMs: this.#nowMs, replaceAfterMs };
    const { actions, wakeAtMs, needsStatus } = plan(registry.volume, observed, times);
    if (needsStatus) this.#ask();
    else this.#status = undefined;
    for (const action of actions) if (!isCopyEdit(action)) this.#act(action);
    const edits = actions.filter(isCopyEdit);
    if (edits.length > 0) this.#changeCopies(edits);
    if (wakeAtMs === undefined) return;
    scheduler.after((wakeAtMs - times.nowMs) / TIME_SCALE, () => this.look());
  }

  #observe({ spec, state, ...slot }: Slot): ObservedProcess {
    const upMs = this.#nowMs - slot.startedAtMs;
    const failing = isFailing({ quickExits: slot.quickExits, state, upMs });
    return {
      ...{ key: spec.key, role: spec.role, state },
      ...{ quickExits: slot.quickExits, exitedAtMs: slot.exitedAtMs },
      failingSinceMs: failing ? slot.failingSinceMs : undefined,
    };
  }

  #observeNode({ name, isOn, downSinceMs }: World['nodes'][0]): ObservedNode {
    const { copies } = this.#world.registry.record;
    const sinceMs = (downSinceMs ?? this.#world.scheduler.nowMs) * TIME_SCALE;
    return {
      ...{ name, isCordoned: false, isDraining: false },
      down: isOn && downSinceMs === undefined ? undefined : { sinceMs, reason: 'no disk' },
      copyCount: Object.values(copies).filter(({ node }) => node === name).length,
    };
  }

  get #copies(): readonly CopyStatus[] | undefined {
    const status = this.#status;
    if (status === undefined || this.#nowMs - status.atMs > 2 * LOOK_AGAIN_MS) return undefined;
    return status.copies;
  }

  /** Asks the controller, whose answer may be late or never come. */
  #ask(): void {
    if (this.#nowMs - this.#askedAtMs < LOOK_AGAIN_MS) return;
    this.#askedAtMs = this.#nowMs;
    const { controller, network, scheduler } = this.#world;
    scheduler.after(scheduler.random.between(1, MAX_ANSWER_MS), () => {
      const isAway = !controller.isAlive || controller.process.isPaused;
      const copies = isAway ? undefined : controller.statuses();
      if (copies === undefined) return;
      network.send(controller.instanceId, REGISTRY_HOST, () => {
        this.#status = { copies, atMs: this.#nowMs };
        this.look();
      });
    });
  }

  #act(action: Exclude<Action, CopyEdit>): void {
    switch (action.kind) {
      case 'start':
        return this.#start(action.process);
      case 'stop':
        return this.#stop(action.key);
      case 'erase-copy':
        return this.#erase(action.replicaId);
      case 'erase':
        throw new Error('no volume is deleted here');
    }
  }

  #changeCopies(edits: readonly CopyEdit[]): void {
    const { registry, trace } = this.#world;
    const { version } = registry.record;
    registry.edit((volume) => withCopies(volume, version, edits));
    trace.other(`orchestrator: ${edits.map((edit) => Object.values(edit).join(' ')).join(', ')}`);
  }

  #start(spec: ProcessSpec): void {
    const earlier = this.#slots.get(spec.key);
    const { exitedAtMs = 0, quickExits = 0, failingSinceMs = 0 } = earlier ?? {};
    const slot: Slot = {
      ...{ spec, state: 'starting', startedAtMs: this.#nowMs },
      ...{ exitedAtMs, quickExits, failingSinceMs },
    };
    this.#slots.set(spec.key, slot);
    const { scheduler } = this.#world;
    if (spec.role === 'controller') slot.controller = this.#world.startController();
    scheduler.after(scheduler.random.between(1, MAX_BOOT_MS), () => {
      if (this.#slots.get(spec.key) !== slot || slot.state !== 'starting') return;
      slot.state = 'ready';
      if (spec.role !== 'replica') return;
      this.#world.startReplica(spec.replicaId, spec.node);
      if (!this.#world.replica(spec.replicaId).isRunning) this.#ended(slot);
    });
  }

  #stop(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    const wasStarting = slot.state === 'starting';
    slot.state = 'stopping';
    const { spec, controller } = slot;
    const replica = spec.role === 'replica' ? this.#world.replicas.get(spec.replicaId) : undefined;
    if (wasStarting && replica?.isRunning !== true && controller === undefined) {
      this.#ended(slot);
      return;
    }
    replica?.shutDown();
    controller?.shutDown();
    this.#world.scheduler.after(STOP_GRACE_MS, () => {
      if (this.#slots.get(key) !== slot || slot.state !== 'stopping') return;
      if (replica !== undefined) this.#world.killReplica(replica);
      controller?.crash();
    });
  }

  #erase(replicaId: string): void {
    if (this.#erasing.has(replicaId)) return;
    this.#erasing.add(replicaId);
    const { scheduler, registry } = this.#world;
    scheduler.after(scheduler.random.between(1, MAX_ERASE_MS), () => {
      const replica = this.#world.replicas.get(replicaId);
      if (replica !== undefined) {
        const node = this.#world.nodeOf(replica);
        if (node.replica === replica) node.replica = undefined;
      }
      registry.edit((volume) => ({
        ...volume,
        removed: volume.removed.filter((copy) => copy.replicaId !== replicaId),
      }));
    });
  }

  // The ends of processes.

  #controllerEnded(controller: SimController): void {
    const slot = [...this.#slots.values()].find((candidate) => candidate.controller === controller);
    if (slot === undefined) return;
    this.#world.registry.edit((volume) => withGoneInstance(volume, controller.instanceId));
    this.#ended(slot);
  }

  #replicaEnded({ replicaId }: SimReplica): void {
    const slot = [...this.#slots.values()].find(
      ({ spec }) => spec.role === 'replica' && spec.replicaId === replicaId,
    );
    if (slot !== undefined) this.#ended(slot);
  }

  #ended(slot: Slot): void {
    if (slot.state === 'down') return;
    slot.state = 'down';
    slot.exitedAtMs = this.#nowMs;
    slot.quickExits = countQuickExits(slot.quickExits, slot.exitedAtMs - slot.startedAtMs);
    if (slot.quickExits === 1) slot.failingSinceMs = slot.exitedAtMs;
    this.look();
  }
}
