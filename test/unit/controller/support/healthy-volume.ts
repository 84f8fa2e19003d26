import type { BlockRange } from '../../../sim/content.ts';
import type { Running } from '../../../sim/operations.ts';
import type { SimReplica } from '../../../sim/replica.ts';
import { World, type WorldOptions } from '../../../sim/world.ts';

/** A block that no other test looks at, and all that these tests write to. */
export const BLOCK = { first: 5, count: 1 };
export const MANY = { first: 0, count: 128 };

/** A healthy volume in a simulated cluster, and what schedules are made of. */
export function start(replicas = 1, options: Partial<WorldOptions> = {}) {
  const world = new World({ seed: 1, replicas, ...options });
  const { operations, network, registry, scheduler } = world;
  const run = (ms: number) => scheduler.run(ms);
  const until = (isDone: () => boolean) => {
    expect(scheduler.runUntil(isDone, 3_000)).toBe(true);
  };
  const complete = (running: Running) => {
    until(() => running.outcome !== undefined);
    return running.outcome;
  };
  const write = (range: BlockRange = BLOCK, isFua = false, via = world.controller) =>
    operations.write(via, range, { fua: isFua });
  const read = (range = BLOCK) => operations.read(world.controller, range);
  const flush = () => operations.flush(world.controller);
  const stateOf = (replicaId: string) => registry.record.copies[replicaId]!.state;
  const isHealthy = () =>
    world.controller.wasActive && world.controller.volume.health() === 'healthy';
  /** The way to a copy, or back from it, for the controller of this moment. */
  const to = ({ node }: SimReplica) => network.route(world.controller.instanceId, node);
  const from = ({ node }: SimReplica) => network.route(node, world.controller.instanceId);
  const isEqual = (a: SimReplica, b: SimReplica) =>
    a.directory.data.findDifference(b.directory.data) === undefined;
  const restart = (...replicas: readonly SimReplica[]) => {
    for (const { replicaId } of replicas) world.startReplica(replicaId);
  };
  world.startReplicas();
  world.startController();
  until(isHealthy);
  const [r1, r2] = [...world.replicas.values()] as [SimReplica, SimReplica];
  return {
    ...{ world, registry, r1, r2, run, until, complete, write, read, flush, stateOf, isHealthy },
    ...{ to, from, isEqual, restart },
  };
}

/** Every acknowledged write reads back, and every read fits with all the others. */
export function expectOneDisk({ operations, scheduler, oracle, checks, controller }: World): void {
  const read = operations.read(controller, MANY);
  expect(scheduler.runUntil(() => read.outcome !== undefined, 3_000)).toBe(true);
  expect(read.outcome).toMatchObject({ ok: true });
  expect([...oracle.allFaults(), ...checks.violations]).toEqual([]);
}
