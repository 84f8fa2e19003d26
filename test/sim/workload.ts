import { BLOCK_BYTES, MAX_ATOMIC_BYTES } from '../../replica/common/limits.ts';
import type { BlockRange } from './content.ts';
import type { SimController } from './controller.ts';
import type { Running } from './operations.ts';
import { BLOCK_COUNT, type World } from './world.ts';

/** What initiators do, as shares of 1; the rest are plain writes. */
export interface Shape {
  readonly clientCount: number;
  readonly reads: number;
  readonly flushes: number;
  readonly trims: number;
  /** Of the writes. */
  readonly fua: number;
  /** Of the writes of several blocks. */
  readonly atomics: number;
  readonly cancels: number;
  /** Of all. */
  readonly attributes: number;
  readonly maxBlocks: number;
  /** First blocks of the places that are used. */
  readonly spots: readonly number[];
  readonly spotBlocks: number;
  readonly isSequential: boolean;
  /** Longest pause between two operations of a client. */
  readonly thinkMs: number;
  /** After this long an initiator gives a command up, and its session with it. */
  readonly patienceMs: number;
  /** Now and then everybody pauses for so long: copies get idle. */
  readonly quietMs: number;
}

const BUSY_MS = 300;
const MAX_ATOMIC_BLOCKS = MAX_ATOMIC_BYTES / BLOCK_BYTES;

interface Client {
  controller: SimController | undefined;
  running: Running | undefined;
  /** For sequential clients. */
  next: number;
}

/** Initiators, each with one operation under way at a time. */
export class Workload {
  readonly #world: World;
  readonly #shape: Shape;
  readonly #clients = new Map<Running, Client>();
  /** The last store of each controller. */
  readonly #storing = new Map<SimController, Running>();
  #quietUntilMs = 0;
  #isOver = false;

  constructor(world: World, shape: Shape) {
    this.#world = world;
    this.#shape = shape;
    world.operations.onDone = (running) => this.#onDone(running);
    for (let count = 0; count < shape.clientCount; count += 1) {
      this.#workLater({ controller: undefined, running: undefined, next: 0 });
    }
    if (shape.quietMs > 0) this.#pauseLater();
  }

  stop(): void {
    this.#isOver = true;
  }

  #pauseLater(): void {
    const { scheduler } = this.#world;
    scheduler.after(scheduler.random.between(BUSY_MS / 2, BUSY_MS * 2), () => {
      this.#quietUntilMs = scheduler.nowMs + this.#shape.quietMs;
      scheduler.after(this.#shape.quietMs, () => this.#pauseLater());
    });
  }

  #workLater(client: Client): void {
    const { scheduler } = this.#world;
    const quietMs = Math.max(0, this.#quietUntilMs - scheduler.nowMs);
    const pauseMs = quietMs + scheduler.random.between(0, this.#shape.thinkMs);
    scheduler.after(pauseMs, () => this.#work(client));
  }

  #work(client: Client): void {
    if (this.#isOver) return;
    const { scheduler, operations } = this.#world;
    const { random } = scheduler;
    // A session lasts as long as its controller, or until the initiator logs in anew.
    if (client.controller?.isAlive !== true || random.chance(0.02)) {
      client.controller = this.#world.controller;
    }
    if (client.controller?.isAlive !== true) return this.#workLater(client);
    const running = this.#operate(client, client.controller);
    client.running = running;
    this.#clients.set(running, client);
    if (random.chance(this.#shape.cancels)) {
      scheduler.after(random.between(0, 50), () => operations.cancel(running));
    }
    scheduler.after(this.#shape.patienceMs, () => this.#giveUp(client, running));
  }

  #operate(client: Client, controller: SimController): Running {
    const { scheduler, operations } = this.#world;
    const { random } = scheduler;
    const { reads, flushes, trims, fua } = this.#shape;
    if (random.chance(this.#shape.attributes)) return this.#useAttribute(controller);
    const kind = random.next();
    if (kind < flushes) return operations.flush(controller);
    const range = this.#pickRange(client, controller.sizeBytes);
    if (kind < flushes + trims) return operations.trim(controller, range);
    if (kind < flushes + trims + reads) return operations.read(controller, range);
    const isShort = range.count > 1 && range.count <= MAX_ATOMIC_BLOCKS;
    const isAtomic = isShort && random.chance(this.#shape.atomics);
    return operations.write(controller, range, { fua: random.chance(fua), isAtomic });
  }

  /** One store at a time: whoever keeps something there sees to that. */
  #useAttribute(controller: SimController): Running {
    const { scheduler, operations } = this.#world;
    const isStoring = this.#storing.get(controller)?.outcome === undefined;
    if ((isStoring && this.#storing.has(controller)) || scheduler.random.chance(0.5)) {
      return operations.load(controller);
    }
    const running = operations.store(controller);
    this.#storing.set(controller, running);
    return running;
  }

  #pickRange(client: Client, sizeBytes: number): BlockRange {
    const { random } = this.#world.scheduler;
    const { spots, spotBlocks, maxBlocks, isSequential } = this.#shape;
    const grown = sizeBytes / BLOCK_BYTES - BLOCK_COUNT;
    if (grown > 0 && random.chance(0.2)) {
      return { first: BLOCK_COUNT + random.below(grown), count: 1 };
    }
    const count = 1 + random.below(Math.min(maxBlocks, spotBlocks));
    const room = spotBlocks - count + 1;
    const at = isSequential ? client.next % room : random.below(room);
    client.next += count;
    return { first: random.pick(spots) + at, count };
  }

  #onDone(running: Running): void {
    const client = this.#clients.get(running);
    if (client === undefined) return;
    this.#clients.delete(running);
    if (client.running === running) this.#workLater(client);
  }

  #giveUp(client: Client, running: Running): void {
    if (!this.#clients.delete(running) || client.running !== running) return;
    this.#world.operations.cancel(running);
    client.controller = undefined;
    this.#workLater(client);
  }
}
