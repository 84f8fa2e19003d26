import type { VolumeOutcome } from '../../../../controller/volume/operation.ts';
import { BLOCK_BYTES } from '../../../../replica/common/limits.ts';
import { BLOCK_COUNT, type World } from '../../../sim/world.ts';
import { expectOneDisk, start } from '../support/healthy-volume.ts';

/** Size, attribute and holes of a volume in use (ADR 0019). */

describe('a volume that is to grow', () => {
  const grow = ({ registry }: World, blockCount: number) =>
    registry.edit((volume) => ({
      ...volume,
      spec: { ...volume.spec, sizeBytes: volume.spec.sizeBytes + blockCount * BLOCK_BYTES },
    }));

  test('is shown larger once every in-sync copy is, and takes writes at its new end', () => {
    const { world, registry, r1, r2, run, until, complete, write, to, isEqual } = start();
    const { sizeBytes } = registry.record;
    const way = to(r2);
    way.cut();
    grow(world, 100);
    run(50);
    expect(world.controller.sizeBytes).toBe(sizeBytes);
    way.heal();
    until(() => world.controller.sizeBytes === sizeBytes + 100 * BLOCK_BYTES);
    for (const { directory } of [r1, r2]) {
      expect(directory.metadata.sizeBytes).toBe(sizeBytes + 100 * BLOCK_BYTES);
    }
    expect(complete(write({ first: BLOCK_COUNT + 99, count: 1 }))).toEqual({ ok: true });
    expect(isEqual(r1, r2)).toBe(true);
    expectOneDisk(world);
  });

  test('grows without a copy that is away, which grows before it is synced', () => {
    const { world, r1, r2, until, complete, write, stateOf, isHealthy, isEqual, restart } = start();
    r2.crash();
    until(() => stateOf('r2') === 'stale');
    grow(world, 2000);
    until(() => world.controller.sizeBytes === world.registry.volume.spec.sizeBytes);
    expect(complete(write({ first: BLOCK_COUNT + 1999, count: 1 }))).toEqual({ ok: true });
    restart(r2);
    until(isHealthy);
    expect(isEqual(r1, r2)).toBe(true);
  });

  test('keeps its copy and its size while that has no room, and grows when it has', () => {
    const { world, registry, r2, run, until, complete, write, stateOf } = start();
    const { sizeBytes } = registry.record;
    r2.isFull = true;
    grow(world, 10);
    run(300);
    expect([stateOf('r2'), world.controller.sizeBytes]).toEqual(['in-sync', sizeBytes]);
    expect(world.controller.notices).toContain('copy cannot grow');
    r2.isFull = false;
    until(() => world.controller.sizeBytes === sizeBytes + 10 * BLOCK_BYTES);
    expect(complete(write())).toEqual({ ok: true });
    expectOneDisk(world);
  });
});

describe('the attribute of a volume', () => {
  const load = (world: World) => world.operations.load(world.controller);

  test.each([1, 2, 3, 4])('is the same after a start, whoever had got it (chance %d)', (seed) => {
    const { world, r1, r2, run, until, complete, to } = start(1, { seed });
    expect(complete(world.operations.store(world.controller))).toEqual({ ok: true });
    const way = to(r2);
    way.cut();
    world.operations.store(world.controller);
    run(20);
    world.controller.crash();
    run(20);
    way.heal();
    expect(r1.directory.metadata.attribute).not.toBe(r2.directory.metadata.attribute);
    const next = world.startController();
    until(() => next.wasActive);
    expect(complete(load(world))).toMatchObject({ ok: true });
    expect(r1.directory.metadata.attribute).toBe(r2.directory.metadata.attribute);
    expectOneDisk(world);
  });

  test('reaches a copy that was away, and survives the loss of all power', () => {
    const { world, r1, r2, until, complete, stateOf, isHealthy, restart } = start();
    r2.crash();
    until(() => stateOf('r2') === 'stale');
    expect(complete(world.operations.store(world.controller))).toEqual({ ok: true });
    restart(r2);
    until(isHealthy);
    const { attribute } = r1.directory.metadata;
    expect(attribute).not.toBe('');
    expect(r2.directory.metadata.attribute).toBe(attribute);
    const nodes = ['node1', 'node2'].map((name) => world.node(name));
    for (const node of nodes) world.losePower(node);
    world.controller.crash();
    for (const node of nodes) node.powerOn();
    world.startReplicas();
    world.startController();
    until(isHealthy);
    expect(complete(load(world))).toMatchObject({ ok: true });
    expectOneDisk(world);
  });
});

test('an attribute that was stored does not hide that a write before it failed', () => {
  const { world, r1, run, until, complete, write, restart } = start(0);
  r1.failure = 'write';
  r1.process?.pause(); // until both are there, so that it takes them in one turn
  const written = write(undefined, true);
  const stored = world.operations.store(world.controller);
  run(20);
  r1.process?.resume();
  until(() => !r1.isRunning);
  restart(r1);
  expect([complete(written), complete(stored)]).toEqual([{ ok: true }, { ok: true }]);
  expectOneDisk(world);
});

test('a map says which blocks hold data, from the primary alone', () => {
  const { world, complete, write } = start();
  expect(complete(write({ first: 3, count: 2 }))).toEqual({ ok: true });
  const range = { offset: 0, length: 8 * BLOCK_BYTES };
  let outcome: VolumeOutcome | undefined;
  world.controller.submit({ kind: 'map', ...range }, (got) => {
    outcome = got;
  });
  expect(world.scheduler.runUntil(() => outcome !== undefined, 3_000)).toBe(true);
  expect(outcome).toEqual({ ok: true, data: Buffer.from([0, 0, 0, 1, 1, 0, 0, 0]) });
});
