import type { Faults } from './faults.ts';
import type { Orchestrator } from './orchestrator.ts';
import type { SimReplica } from './replica.ts';
import { makeSwarm } from './swarm.ts';
import type { World } from './world.ts';

export interface Recovery {
  /** What is wrong; undefined when nothing is. */
  readonly reason?: string;
  /** Every good copy was destroyed. */
  readonly isLost: boolean;
}

/** With every fault mended, the volume has this long to become healthy and answer everything. */
const RECOVERY_MS = 12_000;
/** Longer than any wait: whatever is not right by then shows. */
const SETTLED_MS = 1_500;

/** What must be true some time after everything was mended. */
export function whyNotRecovered(parts: {
  readonly world: World;
  readonly orchestrator: Orchestrator;
  readonly faults: Faults;
}): Recovery {
  const { world, orchestrator, faults } = parts;
  // What was still to be broken happens in the meantime, and is mended again.
  world.scheduler.run(300);
  faults.healAll();
  if (isLost(world)) return { isLost: true };
  const reason =
    whyNotHealthy(world) ??
    whyNotServing(world) ??
    whyNotSettled(world) ??
    whyDifferent(world) ??
    whyNotStopped(world, orchestrator);
  return { isLost: false, ...(reason === undefined ? {} : { reason }) };
}

/** No copy that the record lists in-sync is one that it speaks of. */
function isLost(world: World): boolean {
  return inSync(world).every((replica) => world.checks.isDestroyed(replica));
}

function whyNotHealthy(world: World): string | undefined {
  const { scheduler, registry } = world;
  const isHealthy = (): boolean => {
    const { membership, spec, removed } = registry.volume;
    const { length } = Object.keys(membership.copies);
    const { controller } = world;
    return (
      length === spec.replicas + 1 &&
      removed.length === 0 &&
      inSync(world).length === length &&
      controller.isAlive &&
      controller.volume.isActive &&
      controller.volume.health() === 'healthy'
    );
  };
  if (scheduler.runUntil(isHealthy, RECOVERY_MS)) return undefined;
  const states = Object.entries(registry.record.copies).map(([id, { state }]) => `${id} ${state}`);
  return `not healthy after ${RECOVERY_MS} ms without faults: ${states.join(', ')}`;
}

function whyNotServing(world: World): string | undefined {
  const { scheduler, operations, controller } = world;
  const spots = new Set(makeSwarm(world.seed).shape.spots);
  const last = [
    ...[...spots].map((first) => operations.read(controller, { first, count: 4 })),
    operations.flush(controller),
  ];
  const isAnswered = (): boolean =>
    last.every(({ outcome }) => outcome !== undefined) && controller.openCount === 0;
  if (!scheduler.runUntil(isAnswered, RECOVERY_MS)) {
    return `${controller.openCount} operations of ${controller.instanceId} were never answered`;
  }
  const failed = last.find(({ outcome }) => outcome?.ok !== true);
  return failed && `the last ${failed.operation.kind} failed`;
}

function whyNotSettled(world: World): string | undefined {
  world.scheduler.run(SETTLED_MS);
  const { controller } = world;
  if (!controller.isAlive || controller.volume.health() !== 'healthy') {
    return 'the volume did not stay healthy';
  }
  const restarted = inSync(world).find(({ status }) => status?.restart !== 'none');
  return restarted && `${restarted.replicaId} was never told that it is whole again`;
}

function whyDifferent(world: World): string | undefined {
  const [first, ...others] = inSync(world);
  for (const other of others) {
    const block = first!.directory.data.findDifference(other.directory.data);
    if (block === undefined) continue;
    return `${first!.replicaId} and ${other.replicaId} differ in block ${block} though both are in-sync`;
  }
  return undefined;
}

/** A clean stop leaves nothing that a power loss could take. */
function whyNotStopped(world: World, orchestrator: Orchestrator): string | undefined {
  const { scheduler, controller } = world;
  orchestrator.close();
  controller.shutDown();
  if (!scheduler.runUntil(() => !controller.isAlive, RECOVERY_MS)) {
    return 'the controller never stopped';
  }
  if (controller.stopCode !== 'stopped') return `the controller stopped with ${controller.stopCode}`;
  const hot = inSync(world).find(({ status }) => status?.hotExtents !== 0);
  if (hot !== undefined) return `${hot.replicaId} has hot extents after a clean stop`;
  const unsafe = inSync(world).find(({ directory }) => directory.data.hasUnsynced);
  return unsafe && `${unsafe.replicaId} has unsynced data after a clean stop`;
}

function inSync({ registry, replicas }: World): SimReplica[] {
  return Object.entries(registry.record.copies)
    .filter(([, { state }]) => state === 'in-sync')
    .flatMap(([replicaId]) => replicas.get(replicaId) ?? []);
}
