import type { SeededRandom } from '../support/random.ts';
import type { SimController } from './controller.ts';
import type { Orchestrator } from './orchestrator.ts';
import type { SimReplica } from './replica.ts';
import type { World } from './world.ts';

/** What every fault needs: something to break, and a way to have it mended some time later. */
export class FaultTools {
  readonly world: World;
  readonly orchestrator: Orchestrator;
  readonly random: SeededRandom;
  readonly #lastsMs: number;

  /** @param lastsMs the longest that a fault lasts */
  constructor(world: World, orchestrator: Orchestrator, lastsMs: number) {
    this.world = world;
    this.orchestrator = orchestrator;
    this.random = world.scheduler.random;
    this.#lastsMs = lastsMs;
  }

  pickController(): SimController | undefined {
    const alive = this.world.controllers.filter(({ isAlive }) => isAlive);
    return alive.length === 0 ? undefined : this.random.pick(alive);
  }

  /** One that the record lists. */
  pickReplica(): SimReplica | undefined {
    const { registry, replicas } = this.world;
    const present = Object.keys(registry.record.copies).flatMap((id) => replicas.get(id) ?? []);
    return present.length === 0 ? undefined : this.random.pick(present);
  }

  note(what: string): void {
    this.world.trace.fault(what);
  }

  /** Mostly sooner than the waits of the data path end, sometimes much later. */
  later(action: () => void): void {
    const longestMs = this.#lastsMs * (this.random.chance(0.7) ? 0.3 : 1);
    this.world.scheduler.after(this.random.between(1, longestMs), action);
  }

  mendLater(what: string, mend: () => void): void {
    this.note(what);
    this.later(() => {
      this.note(`no more: ${what}`);
      mend();
    });
  }
}
