import { REGISTRY_HOST } from '../../../sim/registry.ts';
import { BLOCK, expectOneDisk, MANY, start } from '../support/healthy-volume.ts';

/** Each test is one claim of docs/architecture.md, as a schedule that would break it. */

describe('I1: a write is acknowledged', () => {
  test('only when the slowest in-sync copy has answered', () => {
    const { r2, run, complete, write, flush, from } = start();
    const route = from(r2);
    route.cut();
    const [written, flushed] = [write(), flush()];
    run(100);
    expect([written.outcome, flushed.outcome]).toEqual([undefined, undefined]);
    route.heal();
    expect(complete(written)).toEqual({ ok: true });
    expect(complete(flushed)).toEqual({ ok: true });
  });

  test('only with a copy that is being added, from the moment the change is sent', () => {
    const { world, registry, r2, run, until, complete, write, stateOf, from, restart } = start();
    r2.crash();
    until(() => stateOf('r2') !== 'in-sync');
    expect(complete(write())).toEqual({ ok: true });
    restart(r2);
    until(() => stateOf('r2') === 'syncing');
    registry.isMute = true;
    until(() => stateOf('r2') === 'in-sync');
    const route = from(r2);
    route.cut();
    const written = write();
    run(100);
    expect(written.outcome).toBeUndefined();
    route.heal();
    expect(complete(written)).toEqual({ ok: true });
    registry.speak();
    expectOneDisk(world);
  });

  test('without a copy only once the removal is known, however many answers are lost', () => {
    const { registry, r2, run, complete, write, stateOf } = start();
    registry.isMute = true;
    r2.crash();
    const written = write();
    run(400);
    expect(stateOf('r2')).toBe('stale');
    expect(written.outcome).toBeUndefined();
    registry.speak();
    expect(complete(written)).toEqual({ ok: true });
  });

  test('by the first copy to return, with what it may have missed, when all dropped at once', () => {
    const { world, r1, r2, until, complete, write, to, isHealthy, isEqual } = start();
    const written = write();
    for (const route of [to(r1), to(r2)]) route.cut();
    for (const { replicaId } of [r1, r2]) world.controller.breakLink(replicaId);
    until(() => !isHealthy());
    for (const route of [to(r1), to(r2)]) route.heal();
    expect(complete(written)).toEqual({ ok: true });
    until(isHealthy);
    expect(isEqual(r1, r2)).toBe(true);
    expectOneDisk(world);
  });
});

describe('I2: the record says that a copy left', () => {
  test.each(['crash', 'silence', 'full'] as const)(
    'before a write goes without it, after %s',
    (how) => {
      const { world, r2, complete, write, stateOf, to } = start();
      const states: string[] = [];
      world.operations.onDone = () => states.push(stateOf('r2'));
      if (how === 'full') r2.isFull = true;
      if (how === 'silence') to(r2).cut();
      const written = write();
      if (how === 'crash') r2.crash();
      expect(complete(written)).toEqual({ ok: true });
      expect(states).toHaveLength(1);
      expect(states[0]).not.toBe('in-sync');
    },
  );
});

describe('I3: the record is changed', () => {
  test('by the holder of its epoch only; the one before stops at its next change', () => {
    const { world, registry, r2, run, until } = start();
    const old = world.controller;
    const { epoch, generation } = registry.record;
    world.startController();
    expect(registry.history.some((record) => record.epoch > epoch)).toBe(false);
    until(() => registry.record.epoch > epoch);
    expect(registry.record).toMatchObject({ epoch: epoch + 1, generation: generation + 1 });
    old.turn({ kind: 'link-down', copy: 1, code: 'UNAVAILABLE', nowMs: old.nowMs });
    until(() => !old.isAlive);
    expect(old.stopCode).toBe('EPOCH_SUPERSEDED');
    r2.crash();
    run(500);
    const owners = registry.history.map(({ controller }) => controller?.instanceId);
    expect(owners.slice(owners.indexOf('c2'))).not.toContain('c1');
  });
});

describe('I4: a superseded controller', () => {
  test('gets no write through and stops, once the copies know the newer epoch', () => {
    const { world, r1, r2, until, complete, write } = start();
    const old = world.controller;
    expect(complete(write())).toEqual({ ok: true });
    const current = world.startController();
    until(() => current.wasActive);
    expect([r1, r2].map(({ directory }) => directory.metadata.epoch)).toEqual([2, 2]);
    if (old.isAlive) write(BLOCK, false, old);
    until(() => !old.isAlive);
    expect(old.stopCode).toBe('EPOCH_SUPERSEDED');
    expectOneDisk(world);
  });
});

describe('I5: a volume does not start', () => {
  test('from a copy that is stale, and starts when the good one is there', () => {
    const { world, r1, r2, run, until, complete, write, stateOf, isHealthy, restart } = start();
    r2.crash();
    until(() => stateOf('r2') === 'stale');
    expect(complete(write())).toEqual({ ok: true });
    r1.crash();
    world.controller.crash();
    restart(r2);
    const next = world.startController();
    run(2_000);
    expect(next.wasActive).toBe(false);
    restart(r1);
    until(isHealthy);
    expectOneDisk(world);
  });

  test('from a directory that was replaced by an empty one; that is synced as a new copy', () => {
    const { world, registry, r1, r2, run, until, complete, write, isHealthy, restart } = start();
    expect(complete(write())).toEqual({ ok: true });
    world.controller.crash();
    r1.crash();
    world.loseDirectory(r2);
    restart(r2);
    const next = world.startController();
    run(2_000);
    expect(next.wasActive).toBe(false);
    restart(r1);
    until(isHealthy);
    const { dataId } = r2.directory.metadata;
    expect(registry.history.map(({ copies }) => copies.r2!.state)).toContain('lost');
    expect(registry.record.copies.r2).toMatchObject({ state: 'in-sync', dataId });
    expectOneDisk(world);
  });
});

describe('I5: a disk that was rolled back', () => {
  test('is known by what this controller saw, while the answers of the registry are lost', () => {
    const { world, registry, r1, r2, run, until, complete, write, isHealthy, isEqual } = start();
    expect(complete(write())).toEqual({ ok: true });
    const snapshot = r2.directory.snapshot();
    world.controller.crash();
    const next = world.startController();
    // The record takes the new sessions, and this controller does not hear of it.
    until(() => next.wasActive);
    registry.isMute = true;
    run(50);
    expect(complete(write())).toEqual({ ok: true });
    world.rollBack(r2, snapshot);
    world.startReplica('r2');
    run(50);
    registry.speak();
    until(() => registry.history.some(({ copies }) => copies.r2!.state === 'lost'));
    until(isHealthy);
    expect(isEqual(r1, r2)).toBe(true);
    expectOneDisk(world);
  });
});

describe('I6: a start makes the copies identical', () => {
  test.each([1, 2, 3, 4, 5, 6])('after a write that only one of them got (chance %d)', (seed) => {
    const { world, r1, r2, run, until, write, to, isEqual } = start(1, { seed });
    const route = to(r2);
    route.cut();
    write();
    run(20);
    world.controller.crash();
    run(20);
    route.heal();
    expect(isEqual(r1, r2)).toBe(false);
    const next = world.startController();
    until(() => next.wasActive);
    expect(isEqual(r1, r2)).toBe(true);
    expectOneDisk(world);
  });
});

describe('I7: a read', () => {
  test('waits for a write that it overlaps and that not every copy has confirmed', () => {
    const { r2, run, complete, write, read, from } = start();
    const route = from(r2);
    route.cut();
    const written = write();
    const overlapping = read();
    run(100);
    expect([written.outcome, overlapping.outcome]).toEqual([undefined, undefined]);
    route.heal();
    expect(complete(written)).toEqual({ ok: true });
    expect(complete(overlapping)).toMatchObject({ ok: true });
  });
});

describe('I12: the last in-sync copy', () => {
  test('stays in the record when every copy is gone, and serves again when it returns', () => {
    const { world, registry, r1, r2, run, until, complete, write, isHealthy, restart } = start();
    expect(complete(write())).toEqual({ ok: true });
    const written = write();
    for (const replica of [r1, r2]) replica.crash();
    run(1_000);
    const inSync = registry.history.map(
      ({ copies }) => Object.values(copies).filter(({ state }) => state === 'in-sync').length,
    );
    expect(Math.min(...inSync)).toBeGreaterThan(0);
    expect(written.outcome).toEqual({ ok: false, reason: 'NOT_READY' });
    restart(r1, r2);
    until(isHealthy);
    expectOneDisk(world);
  });
});

describe('I13: a power loss that a volume owned up to', () => {
  test('fails the flush that another controller took before that', () => {
    const { world, registry, run, until, complete, write } = start();
    const nodes = ['node1', 'node2'].map((name) => world.node(name));
    const copies = [...world.replicas.values()];
    expect(complete(write())).toEqual({ ok: true });
    world.controller.crash();
    const waiting = world.startController();
    until(() => waiting.hasStarted);
    const answers = world.network.route(REGISTRY_HOST, waiting.instanceId);
    answers.cut();
    const flushed = world.operations.flush(waiting);
    for (const node of nodes) world.losePower(node);
    for (const node of nodes) node.powerOn();
    world.startReplicas();
    const first = world.startController();
    until(() => first.wasActive);
    until(() => copies.every(({ directory }) => !directory.metadata.mayLackWrites));
    expect(registry.record.losses).toBe(1);
    answers.heal();
    run(50);
    expect(flushed.outcome).toEqual({ ok: false, reason: 'NOT_READY' });
    until(() => waiting.wasActive);
    expectOneDisk(world);
  });
});

describe('I14: a syncing copy becomes in-sync', () => {
  test('only after everything it received is on its stable storage', () => {
    const { world, r2, until, complete, write, stateOf, restart } = start();
    r2.crash();
    until(() => stateOf('r2') === 'stale');
    expect(complete(write(MANY))).toEqual({ ok: true });
    restart(r2);
    until(() => stateOf('r2') === 'in-sync');
    const { changeCount, durableCount } = r2.directory.data;
    expect(changeCount).toBeGreaterThan(0);
    expect(durableCount).toBe(changeCount);
    expectOneDisk(world);
  });
});

describe('I15: a cancelled write', () => {
  test('that was held is failed at once and never happens', () => {
    const { world, r1, until, write, isHealthy, restart } = start(0);
    r1.crash();
    until(() => !isHealthy());
    const written = write();
    world.operations.cancel(written);
    expect(written.outcome).toEqual({ ok: false, reason: 'NOT_READY' });
    restart(r1);
    until(isHealthy);
    expectOneDisk(world);
  });
});

describe('I15: a write that the last copy did but could not make durable yet', () => {
  test('is not done again over a newer one, after the connection dropped', () => {
    const { world, r1, until, complete, write, read, isHealthy } = start(0);
    r1.syncMs = 100;
    const older = write(BLOCK, true);
    const newer = write();
    expect(complete(newer)).toEqual({ ok: true });
    expect(older.outcome).toBeUndefined();
    world.controller.breakLink('r1');
    until(() => !isHealthy());
    expect(complete(older)).toEqual({ ok: true });
    expect(r1.directory.data.durableCount).toBe(r1.directory.data.changeCount);
    complete(read());
    expect(r1.directory.data.read(BLOCK.first)).toBe(2); // the stamp of the second write
    expectOneDisk(world);
  });
});

describe('a volume whose failure mode forbids I/O', () => {
  test('holds it for a bounded time, fails it as not ready, and goes on when the copy is back', () => {
    const { world, r2, run, write, read, restart } = start(1, { failureMode: 'hard' });
    r2.crash();
    const [written, got] = [write(), read()];
    run(400);
    expect([written.outcome, world.controller.volume.health()]).toEqual([undefined, 'unavailable']);
    run(300);
    const notReady = { ok: false, reason: 'NOT_READY' };
    expect([written.outcome, got.outcome]).toEqual([notReady, notReady]);
    restart(r2);
    run(1_000);
    expectOneDisk(world);
  });
});

describe('a clean stop', () => {
  test('finishes what is under way and leaves every copy clean', () => {
    const { world, r1, r2, until, write, flush } = start();
    const writes = [write(), flush(), write({ first: 60, count: 8 })];
    world.controller.shutDown();
    until(() => !world.controller.isAlive);
    expect(world.controller.stopCode).toBe('stopped');
    for (const { outcome } of writes) expect(outcome).toEqual({ ok: true });
    for (const replica of [r1, r2]) {
      expect(replica.status).toMatchObject({ hotExtents: 0, tailLength: 0 });
      expect(replica.directory.data.hasUnsynced).toBe(false);
    }
  });
});

describe('a start', () => {
  test('goes on without a copy that cannot take what the others have', () => {
    const { world, r1, r2, run, until, complete, write, stateOf, to, restart } = start();
    const route = to(r2);
    route.cut();
    write();
    run(20);
    world.controller.crash();
    run(20);
    route.heal();
    // Whichever is primary, the start may need r2 to take the other's bytes.
    for (const replica of [r1, r2]) replica.isFull = replica === r2;
    world.onReplicaEnd = (replica) => restart(replica);
    const next = world.startController();
    until(() => next.wasActive);
    r2.isFull = false;
    until(() => stateOf('r2') === 'in-sync');
    expect(complete(write())).toEqual({ ok: true });
    expectOneDisk(world);
  });
});
