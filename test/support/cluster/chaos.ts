import type { Scheduler } from './scheduler.ts';
import type { SimReplica } from './sim-replica.ts';
import { type Running, World, type WorldOptions } from './world.ts';

/** The first half is written before the faults begin, and may be trimmed once; the rest is a hole. */
const WRITTEN = { first: 0, count: 64 };
const CLIENT_COUNT = 6;
const CHAOS_MS = 1_500;
/** With every fault healed, the volume has this long to become healthy and answer everything. */
const RECOVERY_MS = 10_000;

/** What one seed did, and whatever was wrong with it. */
export interface ChaosReport {
  readonly world: World;
  readonly faults: readonly string[];
  /** What was done to the cluster, for whoever looks into a failure. */
  readonly schedule: readonly string[];
}

/** One run of everything: clients, faults, recovery, checks. The same seed does the same again. */
export function runChaos(seed: number): ChaosReport {
  const chaos = new Chaos(seed);
  return { world: chaos.world, faults: chaos.run(), schedule: chaos.schedule };
}

class Chaos {
  readonly world: World;
  readonly schedule: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #fresh = new Set(Array.from({ length: WRITTEN.count }, (_, block) => block));
  /** What each client waits for. */
  readonly #clients = new Map<Running, number>();
  #isOver = false;

  constructor(seed: number) {
    this.world = new World(optionsOf(seed));
    this.#scheduler = this.world.scheduler;
  }

  run(): string[] {
    const { world } = this;
    world.startController();
    const initial = world.write(WRITTEN);
    if (!this.#wait(() => initial.outcome?.ok === true)) return ['the volume never started'];
    world.oracle.forgetZeros(WRITTEN);
    world.onDone = (running) => this.#onDone(running);
    for (let client = 0; client < CLIENT_COUNT; client += 1) this.#work(client);
    this.#leaveDeadControllers();
    this.#breakSomethingLater(this.#scheduler.nowMs + CHAOS_MS);
    this.#scheduler.run(CHAOS_MS);
    const fault = this.#recover();
    return [...(fault === undefined ? [] : [fault]), ...world.oracle.faults()];
  }

  // The clients.

  #work(client: number): void {
    if (this.#isOver) return;
    const running = this.#operate();
    if (running.outcome === undefined) this.#clients.set(running, client);
    else this.#workLater(client);
    if (this.#scheduler.chance(0.03)) {
      this.#scheduler.after(this.#scheduler.between(0, 50), () => this.world.cancel(running));
    }
  }

  #workLater(client: number): void {
    this.#scheduler.after(this.#scheduler.between(0, 20), () => this.#work(client));
  }

  #onDone(running: Running): void {
    const client = this.#clients.get(running);
    if (client === undefined) return;
    this.#clients.delete(running);
    this.#workLater(client);
  }

  /** What another controller owes may never come; its clients try anew. */
  #leaveDeadControllers(): void {
    if (this.#isOver) return;
    for (const [running, client] of this.#clients) {
      if (running.controller === this.world.controller) continue;
      this.#clients.delete(running);
      this.#workLater(client);
    }
    this.#scheduler.after(20, () => this.#leaveDeadControllers());
  }

  #operate(): Running {
    const { world } = this;
    const scheduler = this.#scheduler;
    const first = scheduler.pick([0, 40, 60, 62, 63, 64, 100]) + scheduler.below(4);
    const range = { first, count: 1 + scheduler.below(4) };
    const kind = scheduler.random();
    if (kind < 0.45) return world.write(range, scheduler.chance(0.1));
    if (kind < 0.5) return world.flush();
    if (kind < 0.55) return this.#trim() ?? world.flush();
    return world.read(range);
  }

  /** Zeros are told apart from each other only when a block is trimmed at most once. */
  #trim(): Running | undefined {
    const first = this.#scheduler.pick([0, 40, 60]) + this.#scheduler.below(4);
    if (!this.#fresh.delete(first)) return undefined;
    return this.world.trim({ first, count: 1 });
  }

  // The faults.

  #breakSomethingLater(untilMs: number): void {
    const scheduler = this.#scheduler;
    scheduler.after(scheduler.between(5, 150), () => {
      if (scheduler.nowMs >= untilMs) return;
      this.#breakSomething();
      this.#breakSomethingLater(untilMs);
    });
  }

  #breakSomething(): void {
    const scheduler = this.#scheduler;
    const copy = scheduler.below(this.world.replicas.length);
    const replica = this.world.replicas[copy]!;
    const kind = scheduler.random();
    if (kind < 0.25)
      this.#note(`break the link to ${copy}`, () => this.world.controller.breakLink(copy));
    else if (kind < 0.45) this.#crashReplica(replica);
    else if (kind < 0.6) this.#freeze(replica);
    else if (kind < 0.75) this.#crashController();
    else if (kind < 0.83) this.#replaceController();
    else if (kind < 0.91) this.#fill(replica);
    else if (kind < 0.97) this.#loseRegistryAnswers();
    else this.#loseDirectory(replica);
  }

  #note(what: string, action: () => void): void {
    this.schedule.push(`${this.#scheduler.nowMs.toFixed(1)} ms: ${what}`);
    action();
  }

  #later(maxMs: number, what: string, action: () => void): void {
    const delayMs = this.#scheduler.between(1, maxMs);
    this.#scheduler.after(delayMs, () => this.#note(what, action));
  }

  #crashReplica(replica: SimReplica): void {
    this.#note(`crash ${replica.replicaId}`, () => replica.crash());
    this.#later(300, `start ${replica.replicaId}`, () => replica.start());
  }

  /** It answers late, or too late: its process is stopped, or a way of the network is. */
  #freeze(replica: SimReplica): void {
    const way = this.#scheduler.pick(['requests', 'replies'] as const);
    const what = `${way} of ${replica.replicaId}`;
    this.#note(`hold the ${what}`, () => {
      replica[way].isShut = true;
    });
    this.#later(500, `let the ${what} go`, () => replica[way].open());
  }

  #crashController(): void {
    this.#note('crash the controller', () => this.world.controller.crash());
    this.#later(60, 'start a controller', () => this.world.startController());
  }

  /** The old one is cut off from nothing and goes on as long as it can. */
  #replaceController(): void {
    const old = this.world.controller;
    this.#note('start a controller beside the old one', () => this.world.startController());
    for (let count = 0; count < 3; count += 1) {
      this.#scheduler.after(this.#scheduler.between(0, 30), () => {
        if (old.isAlive)
          this.world.write({ first: 60 + this.#scheduler.below(4), count: 2 }, false, old);
      });
    }
  }

  #fill(replica: SimReplica): void {
    this.#note(`fill ${replica.replicaId}`, () => {
      replica.isFull = true;
    });
    this.#later(300, `make room on ${replica.replicaId}`, () => {
      replica.isFull = false;
    });
  }

  #loseRegistryAnswers(): void {
    this.#note('lose answers of the registry', () => {
      this.world.registry.lossRate = 0.6;
    });
    this.#later(300, 'lose none any more', () => {
      this.world.registry.lossRate = 0;
    });
  }

  /** Never the last good directory: then there would be nothing left to check. */
  #loseDirectory(replica: SimReplica): void {
    const { copies } = this.world.registry.record;
    const good = this.world.replicas.filter(({ replicaId, metadata }) => {
      const copy = copies[replicaId]!;
      return copy.state === 'in-sync' && copy.dataId === metadata.dataId;
    });
    if (good.length < 2) return;
    const dataId = `d${this.schedule.length + 100}`;
    this.#note(`lose the directory of ${replica.replicaId}`, () =>
      replica.replaceDirectory(dataId),
    );
  }

  // The end.

  #wait(isDone: () => boolean): boolean {
    return this.#scheduler.runUntil(isDone, RECOVERY_MS);
  }

  /** Returns what is wrong. */
  #recover(): string | undefined {
    const { world } = this;
    this.#isOver = true;
    world.registry.lossRate = 0;
    for (const replica of world.replicas) {
      replica.isFull = false;
      replica.requests.open();
      replica.replies.open();
      replica.start();
    }
    // What was still to be broken or healed happens in the meantime.
    this.#scheduler.run(600);
    if (!world.controller.isAlive) this.world.startController();
    const { volume } = world.controller;
    if (!this.#wait(() => volume.health() === 'healthy')) {
      return `the volume is ${volume.health()} after ${RECOVERY_MS} ms without faults`;
    }
    const reads = [0, 32, 64, 96].map((first) => world.read({ first, count: 32 }));
    const last = [...reads, world.flush()];
    if (!this.#wait(() => last.every(({ outcome }) => outcome !== undefined))) {
      return 'the last reads and the last flush were never answered';
    }
    if (last.some(({ outcome }) => outcome?.ok !== true)) return 'the last operations failed';
    this.#scheduler.run(2_000); // longer than any wait: whatever is not right by now shows
    if (volume.health() !== 'healthy') return `the volume became ${volume.health()} again`;
    return this.#whyDifferent() ?? this.#whyNotStopped();
  }

  #whyDifferent(): string | undefined {
    const [primary, ...others] = this.world.replicas;
    const other = others.find(({ data }) => !data.equals(primary!.data));
    return other && `${other.replicaId} holds other bytes than ${primary!.replicaId}`;
  }

  #whyNotStopped(): string | undefined {
    const { controller, replicas } = this.world;
    controller.step({ kind: 'shutdown', nowMs: this.#scheduler.nowMs });
    if (!this.#wait(() => !controller.isAlive)) return 'the controller never stopped';
    const unclean = replicas.find(({ metadata }) => !metadata.isClean);
    return unclean && `${unclean.replicaId} is not clean after a clean stop`;
  }
}

/** Every seed has a shape of its own. */
function optionsOf(seed: number): WorldOptions {
  const replicas = [2, 1, 2, 3, 0][seed % 5]!;
  const failureMode = (['soft', 'alwayson', 'soft', 'hard'] as const)[seed % 4]!;
  return { seed, replicas, failureMode, failureTolerance: Math.max(1, replicas - 1) };
}
