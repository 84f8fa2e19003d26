import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import type { Faults } from './faults.ts';
import type { Running } from './operations.ts';
import type { Orchestrator } from './orchestrator.ts';
import type { SimReplica } from './replica.ts';
import { makeSwarm } from './swarm.ts';
import { BLOCK_COUNT, type World } from './world.ts';

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

/** Between two attempts of the same operation. */
const PAUSE_MS = 20;

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
    whyNotSettled(world) ??
    whyNotServing(world) ??
    whyDifferent(world) ??
    whyNotStopped(world, orchestrator) ??
    whyNotStartedAgain(world);
  return { isLost: false, ...(reason === undefined ? {} : { reason }) };
}

/** No copy that the record lists in-sync is one that it speaks of. */
function isLost(world: World): boolean {
  return inSync(world).every((replica) => world.checks.isDestroyed(replica));
}

function whyNotHealthy(world: World): string | undefined {
  const { scheduler, registry } = world;
  const isHealthy = (): boolean => {
    const { membership, spec, removed, leaving } = registry.volume;
    const { length } = Object.keys(membership.copies);
    const { controller } = world;
    return (
      length === spec.replicas + 1 &&
      membership.sizeBytes === spec.sizeBytes &&
      removed.length + leaving.length === 0 &&
      inSync(world).length === length &&
      controller.isAlive &&
      controller.volume.isActive &&
      // What it was told before messages were lost may still have it strike off a copy.
      controller.revision === registry.volume.revision &&
      controller.volume.health() === 'healthy'
    );
  };
  if (scheduler.runUntil(isHealthy, RECOVERY_MS)) return undefined;
  const states = Object.entries(registry.record.copies).map(([id, { state }]) => `${id} ${state}`);
  return `not healthy after ${RECOVERY_MS} ms without faults: ${states.join(', ')}`;
}

/** Each is tried again when it fails: the last faults may show only now. */
function whyNotServing(world: World): string | undefined {
  const { scheduler, operations } = world;
  const { spots, spotBlocks: count } = makeSwarm(world.seed).shape;
  const attempts: (() => Running)[] = [
    ...[...new Set(spots)].map(
      (first) => () => operations.read(world.controller, { first, count }),
    ),
    ...newBlocksOf(world).map(
      (first) => () => operations.read(world.controller, { first, count: 1 }),
    ),
    () => operations.load(world.controller),
    () => operations.flush(world.controller),
  ];
  const endMs = scheduler.nowMs + RECOVERY_MS;
  for (let open = attempts; open.length > 0; ) {
    const running = open.map((attempt) => attempt());
    const isAnswered = (): boolean =>
      running.every(({ outcome, controller }) => outcome !== undefined || !controller.isAlive);
    if (!scheduler.runUntil(isAnswered, endMs - scheduler.nowMs)) {
      return 'the last reads and the last flush were never answered well';
    }
    scheduler.run(PAUSE_MS);
    open = open.filter((_, index) => running[index]!.outcome?.ok !== true);
  }
  const { controller } = world;
  if (scheduler.runUntil(() => controller.openCount === 0, endMs - scheduler.nowMs))
    return undefined;
  return `${controller.openCount} operations of ${controller.instanceId} were never answered`;
}

/** Some of those that the volume did not have at the beginning. */
function newBlocksOf({ registry }: World): number[] {
  const end = registry.record.sizeBytes / BLOCK_BYTES;
  const step = Math.max(1, Math.floor((end - BLOCK_COUNT) / 20));
  const blocks: number[] = [];
  for (let block = BLOCK_COUNT; block < end; block += step) blocks.push(block);
  return blocks;
}

/** Healthy once is healthy for good: without a fault nothing leaves any more. */
function whyNotSettled(world: World): string | undefined {
  const { history } = world.registry;
  const { length } = history;
  world.scheduler.run(SETTLED_MS);
  const { controller } = world;
  const left = history.slice(length).flatMap(({ copies }) => Object.entries(copies));
  const [away] = left.find(([, { state }]) => state !== 'in-sync') ?? [];
  if (away !== undefined) return `${away} left the in-sync set although nothing had happened`;
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
  if (controller.stopCode !== 'stopped')
    return `the controller stopped with ${controller.stopCode}`;
  const hot = inSync(world).find(({ status }) => status?.hotExtents !== 0);
  if (hot !== undefined) return `${hot.replicaId} has hot extents after a clean stop`;
  const unsafe = inSync(world).find(({ directory }) => directory.data.hasUnsynced);
  return unsafe && `${unsafe.replicaId} has unsynced data after a clean stop`;
}

/** After a clean stop a power loss takes nothing, and nobody thinks that it did. */
function whyNotStartedAgain(world: World): string | undefined {
  for (const node of world.nodes) {
    world.losePower(node);
    node.powerOn();
  }
  world.startReplicas();
  const restarted = inSync(world).find(({ status }) => status?.restart !== 'none');
  if (restarted !== undefined) return `${restarted.replicaId} does not know that it was stopped`;
  const controller = world.startController();
  if (!world.scheduler.runUntil(() => controller.wasActive, RECOVERY_MS)) {
    return 'the volume did not start again after a clean stop';
  }
  return whyNotServing(world) ?? whyDifferent(world);
}

function inSync({ registry, replicas }: World): SimReplica[] {
  return Object.entries(registry.record.copies)
    .filter(([, { state }]) => state === 'in-sync')
    .flatMap(([replicaId]) => replicas.get(replicaId) ?? []);
}
