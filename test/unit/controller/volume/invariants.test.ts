import { BLOCK_COUNT, type Running, World } from '../../../support/cluster/world.ts';

/** Each test is one claim of design section 4, as a schedule that would break it. */

const BLOCK = { first: 5, count: 1 };
const ALL = { first: 0, count: BLOCK_COUNT };

function start(replicas = 1) {
  const world = new World({ seed: 1, replicas });
  const run = (ms: number) => world.scheduler.run(ms);
  const until = (isDone: () => boolean) => {
    expect(world.scheduler.runUntil(isDone, 3_000)).toBe(true);
  };
  const complete = (running: Running) => {
    until(() => running.outcome !== undefined);
    return running.outcome;
  };
  const stateOf = (replicaId: string) => world.registry.record.copies[replicaId]!.state;
  const isHealthy = () => world.controller.volume.health() === 'healthy';
  world.startController();
  until(isHealthy);
  const [r0, r1] = world.replicas as [World['replicas'][0], World['replicas'][0]];
  return { world, r0, r1, run, until, complete, stateOf, isHealthy };
}

/** Every acknowledged write reads back, and every read fits with all the others. */
function expectOneDisk(world: World): void {
  const read = world.read(ALL);
  expect(world.scheduler.runUntil(() => read.outcome !== undefined, 3_000)).toBe(true);
  expect(read.outcome).toMatchObject({ ok: true });
  expect(world.oracle.faults()).toEqual([]);
}

describe('I1: a write is acknowledged', () => {
  test('only when the slowest in-sync copy has answered', () => {
    const { world, r1, run, complete } = start();
    r1.replies.isShut = true;
    const [write, flush] = [world.write(BLOCK), world.flush()];
    run(100);
    expect([write.outcome, flush.outcome]).toEqual([undefined, undefined]);
    r1.replies.open();
    expect(complete(write)).toEqual({ ok: true });
    expect(complete(flush)).toEqual({ ok: true });
  });

  test('only with a copy that is being added, from the moment the change is sent', () => {
    const { world, r1, run, until, complete, stateOf } = start();
    r1.crash();
    until(() => stateOf('r1') !== 'in-sync');
    r1.start();
    until(() => stateOf('r1') === 'syncing' && r1.changeCount > 0);
    world.registry.answers.isShut = true;
    until(() => stateOf('r1') === 'in-sync');
    r1.replies.isShut = true;
    const write = world.write(BLOCK);
    run(100);
    expect(write.outcome).toBeUndefined();
    r1.replies.open();
    expect(complete(write)).toEqual({ ok: true });
    world.registry.answers.open();
    expectOneDisk(world);
  });

  test('without a copy only once the removal is known, however many answers are lost', () => {
    const { world, r1, run, complete, stateOf } = start();
    world.registry.lossRate = 1;
    r1.crash();
    const write = world.write(BLOCK);
    run(400);
    expect(stateOf('r1')).toBe('stale');
    expect(write.outcome).toBeUndefined();
    world.registry.lossRate = 0;
    expect(complete(write)).toEqual({ ok: true });
  });
});

describe('I2: the record says that a copy left', () => {
  test.each(['crash', 'silence', 'full'] as const)(
    'before a write goes without it, after %s',
    (how) => {
      const { world, r1, complete, stateOf } = start();
      const states: string[] = [];
      world.onDone = () => states.push(stateOf('r1'));
      if (how === 'full') r1.isFull = true;
      if (how === 'silence') r1.requests.isShut = true;
      const write = world.write(BLOCK);
      if (how === 'crash') r1.crash();
      expect(complete(write)).toEqual({ ok: true });
      expect(states).toHaveLength(1);
      expect(states[0]).not.toBe('in-sync');
    },
  );
});

describe('I3: the record is changed', () => {
  test('by the holder of its epoch only; the one before stops at its next change', () => {
    const { world, r1, run, until } = start();
    const old = world.controller;
    const { epoch, generation } = world.registry.record;
    world.startController();
    expect(world.registry.history.some((record) => record.epoch > epoch)).toBe(false);
    until(() => world.registry.record.epoch > epoch);
    expect(world.registry.record).toMatchObject({ epoch: epoch + 1, generation: generation + 1 });
    old.step({ kind: 'link-down', copy: 1, code: 'UNAVAILABLE', nowMs: world.scheduler.nowMs });
    until(() => !old.isAlive);
    expect(old.stopCode).toBe('EPOCH_SUPERSEDED');
    r1.crash();
    run(500);
    const owners = world.registry.history.map(({ controller }) => controller?.instanceId);
    expect(owners.slice(owners.indexOf('c2'))).not.toContain('c1');
  });
});

describe('I4: a superseded controller', () => {
  test('gets no write through and stops, once the copies know the newer epoch', () => {
    const { world, r0, r1, until, complete } = start();
    const old = world.controller;
    expect(complete(world.write(BLOCK))).toEqual({ ok: true });
    const current = world.startController();
    until(() => current.wasActive);
    expect([r0.metadata.epoch, r1.metadata.epoch]).toEqual([2, 2]);
    if (old.isAlive) world.write(BLOCK, false, old);
    until(() => !old.isAlive);
    expect(old.stopCode).toBe('EPOCH_SUPERSEDED');
    expectOneDisk(world);
  });
});

describe('I5: a volume does not start', () => {
  test('from a copy that is stale, and starts when the good one is there', () => {
    const { world, r0, r1, run, until, complete, stateOf, isHealthy } = start();
    r1.crash();
    until(() => stateOf('r1') === 'stale');
    expect(complete(world.write(BLOCK))).toEqual({ ok: true });
    r0.crash();
    world.controller.crash();
    r1.start();
    const next = world.startController();
    run(2_000);
    expect(next.wasActive).toBe(false);
    r0.start();
    until(isHealthy);
    expectOneDisk(world);
  });

  test('from a directory that was replaced by an empty one; that is synced as a new copy', () => {
    const { world, r0, r1, run, until, complete, isHealthy } = start();
    expect(complete(world.write(BLOCK))).toEqual({ ok: true });
    world.controller.crash();
    r0.crash();
    r1.replaceDirectory('another');
    const next = world.startController();
    run(2_000);
    expect(next.wasActive).toBe(false);
    r0.start();
    until(isHealthy);
    expect(world.registry.history.map(({ copies }) => copies.r1!.state)).toContain('lost');
    expect(world.registry.record.copies.r1).toMatchObject({ state: 'in-sync', dataId: 'another' });
    expectOneDisk(world);
  });
});

describe('I6: a start makes the copies identical', () => {
  test.each([1, 2, 3, 4, 5, 6])(
    'after a write that only one of them got (chance %d)',
    (extraMs) => {
      const { world, r0, r1, run, until } = start();
      run(extraMs * 7); // another place in the seeded sequence, so that either copy is primary
      r1.requests.isShut = true;
      world.write(BLOCK);
      run(20);
      world.controller.crash();
      run(20);
      r1.requests.open();
      expect(r0.data.equals(r1.data)).toBe(false);
      const next = world.startController();
      until(() => next.wasActive);
      expect(r0.data.equals(r1.data)).toBe(true);
      expectOneDisk(world);
    },
  );
});

describe('I12: the last in-sync copy', () => {
  test('stays in the record when every copy is gone, and serves again when it returns', () => {
    const { world, r0, r1, run, until, complete, isHealthy } = start();
    expect(complete(world.write(BLOCK))).toEqual({ ok: true });
    const write = world.write(BLOCK);
    for (const replica of [r0, r1]) replica.crash();
    run(1_000);
    const inSync = world.registry.history.map(
      ({ copies }) => Object.values(copies).filter(({ state }) => state === 'in-sync').length,
    );
    expect(Math.min(...inSync)).toBe(1);
    expect(write.outcome).toEqual({ ok: false, reason: 'NOT_READY' });
    for (const replica of [r0, r1]) replica.start();
    until(isHealthy);
    expectOneDisk(world);
  });
});

describe('I14: a syncing copy becomes in-sync', () => {
  test('only after everything it received is on its stable storage', () => {
    const { world, r1, until, complete, stateOf } = start();
    r1.crash();
    until(() => stateOf('r1') === 'stale');
    expect(complete(world.write(ALL))).toEqual({ ok: true });
    r1.start();
    until(() => stateOf('r1') === 'in-sync');
    expect(r1.changeCount).toBeGreaterThan(0);
    expect(r1.durableCount).toBe(r1.changeCount);
    expectOneDisk(world);
  });
});

describe('I15: a cancelled write', () => {
  test('that was held is failed at once and never happens', () => {
    const { world, r0, until, isHealthy } = start(0);
    r0.crash();
    until(() => !isHealthy());
    const write = world.write(BLOCK);
    world.cancel(write);
    expect(write.outcome).toEqual({ ok: false, reason: 'NOT_READY' });
    r0.start();
    until(isHealthy);
    expectOneDisk(world);
  });
});

describe('I15: a write that the last copy did but could not make durable yet', () => {
  test('is not done again over a newer one, after the connection dropped', () => {
    const { world, r0, until, complete, isHealthy } = start(0);
    r0.fsyncMs = 100;
    const older = world.write(BLOCK, true);
    const newer = world.write(BLOCK);
    const data = Buffer.from((newer as { operation: { data: Buffer } }).operation.data);
    expect(complete(newer)).toEqual({ ok: true });
    expect(older.outcome).toBeUndefined();
    world.controller.breakLink(0);
    until(() => !isHealthy());
    expect(complete(older)).toEqual({ ok: true });
    expect(r0.durableCount).toBe(r0.changeCount);
    expect(complete(world.read(BLOCK))).toEqual({ ok: true, data });
  });
});

describe('a volume whose failure mode forbids I/O', () => {
  test('holds it for a bounded time, fails it as not ready, and goes on when the copy is back', () => {
    const world = new World({ seed: 1, replicas: 1, failureMode: 'hard' });
    const [, r1] = world.replicas;
    world.startController();
    world.scheduler.run(200);
    r1!.crash();
    const [write, read] = [world.write(BLOCK), world.read(BLOCK)];
    world.scheduler.run(400);
    expect([write.outcome, world.controller.volume.health()]).toEqual([undefined, 'unavailable']);
    world.scheduler.run(300);
    const notReady = { ok: false, reason: 'NOT_READY' };
    expect([write.outcome, read.outcome]).toEqual([notReady, notReady]);
    r1!.start();
    world.scheduler.run(1_000);
    expectOneDisk(world);
  });
});

describe('a clean stop', () => {
  test('finishes what is under way and leaves every copy clean', () => {
    const { world, r0, r1, until } = start();
    const writes = [world.write(BLOCK), world.flush(), world.write({ first: 60, count: 8 })];
    world.controller.step({ kind: 'shutdown', nowMs: world.scheduler.nowMs });
    until(() => !world.controller.isAlive);
    expect(world.controller.stopCode).toBe('stopped');
    for (const { outcome } of writes) expect(outcome).toEqual({ ok: true });
    expect([r0.metadata.isClean, r1.metadata.isClean]).toEqual([true, true]);
  });
});

describe('a start', () => {
  test('goes on without a copy that cannot take what the others have', () => {
    const { world, r0, r1, run, until, complete, stateOf } = start();
    r1.requests.isShut = true;
    world.write(BLOCK);
    run(20);
    world.controller.crash();
    run(20);
    r1.requests.open();
    for (const replica of [r0, r1]) replica.isFull = replica === r1;
    const next = world.startController();
    // Whichever is primary, the start may need r1 to take the other's bytes.
    until(() => next.wasActive);
    r1.isFull = false;
    until(() => stateOf('r1') === 'in-sync');
    expect(complete(world.write(BLOCK))).toEqual({ ok: true });
    expectOneDisk(world);
  });
});
