import type { ContainerCreateOptions } from 'dockerode';
import { messageOf } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import type { Activity } from './activity.ts';
import type { AddressHolders } from './address-holders.ts';
import { type ContainerContext, controllerOptions, replicaOptions } from './container-options.ts';
import type { DockerNodes } from './docker-nodes.ts';
import type { Engine } from './engine.ts';
import type { Found, Inventory } from './inventory.ts';
import { recipeOf, withRecipe } from './recipe.ts';

/** A container that a run can be started in. */
export interface Chosen {
  readonly id: string;
  readonly instanceId: string | undefined;
  /** Unix time in seconds from which on its log is about the next run; 0: all of it. */
  readonly logSince: number;
}

interface Kept {
  readonly id: string;
  readonly node: string;
  readonly recipe: string;
  readonly instanceId: string | undefined;
}

/**
 * The containers in which nothing runs: those that a next run starts in, and of each controller the
 * last one that ended, for its log.
 */
export class Containers {
  readonly #context: ContainerContext;
  readonly #nodes: DockerNodes;
  readonly #holders: AddressHolders;
  readonly #newInstanceId: () => string;
  readonly #log: Log;
  /** By process key. */
  readonly #waiting = new Map<string, Kept>();
  readonly #ended = new Map<string, readonly Kept[]>();
  readonly #activity: Activity;

  constructor(options: {
    readonly context: ContainerContext;
    readonly nodes: DockerNodes;
    readonly holders: AddressHolders;
    readonly activity: Activity;
    readonly newInstanceId: () => string;
    readonly log: Log;
  }) {
    this.#context = options.context;
    this.#nodes = options.nodes;
    this.#holders = options.holders;
    this.#activity = options.activity;
    this.#newInstanceId = options.newInstanceId;
    this.#log = options.log;
  }

  /** One that was made ahead of time, as this one would be made now; or a new one. */
  async choose(spec: ProcessSpec, node: string): Promise<Chosen> {
    const { key } = spec;
    const engine = this.#nodes.engineOf(node);
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (waiting !== undefined && this.#isAsWanted(waiting, spec, node)) {
      const logSince = spec.role === 'replica' ? await engine.finishedAt(waiting.id) : 0;
      if (logSince !== undefined) return { ...waiting, logSince };
    }
    if (waiting !== undefined) await this.#clear(spec, waiting);
    return { ...(await this.#make(spec, node, engine)), logSince: 0 };
  }

  /**
   * A container for the next run of a controller; if there is none, that one makes its own. And of
   * those that have ended only the last one stays.
   */
  async makeSpare(spec: ProcessSpec, node: string): Promise<void> {
    const { key } = spec;
    const ended = this.#ended.get(key) ?? [];
    this.#ended.set(key, ended.slice(-1));
    for (const old of ended.slice(0, -1)) this.discard(this.#nodes.engineOf(old.node), old.id);
    if (this.#activity.isUnderWay(key)) return;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && this.#isAsWanted(waiting, spec, node)) return;
    this.#waiting.delete(key);
    if (waiting !== undefined) this.discard(this.#nodes.engineOf(waiting.node), waiting.id);
    try {
      await this.#activity.during(key, async () => {
        this.#waiting.set(key, await this.#make(spec, node, this.#nodes.engineOf(node)));
      });
    } catch (error) {
      this.#log.warn('no spare container', { process: key, error: messageOf(error) });
    }
  }

  /** A replica is started in the same container again; a controller is another one each time. */
  onEnd(spec: ProcessSpec, container: Omit<Kept, 'recipe'>): void {
    const { key } = spec;
    if (spec.role === 'replica') {
      this.keep(spec, container);
      return;
    }
    const kept = { ...container, recipe: this.#recipeOf(spec, container.node) };
    this.#ended.set(key, [...(this.#ended.get(key) ?? []), kept]);
  }

  /** The next run starts in it. */
  keep(spec: ProcessSpec, container: Omit<Kept, 'recipe'>): void {
    const recipe = this.#recipeOf(spec, container.node);
    this.#waiting.set(spec.key, { ...container, recipe });
  }

  /** Whether it is what the next run starts in. */
  isKept(key: string, id: string): boolean {
    return this.#waiting.get(key)?.id === id;
  }

  /** What was found; what is known already stays. Returns what is not needed beside it. */
  adopt({ spares, idle, ended }: Inventory): Found[] {
    const surplus: Found[] = [];
    for (const found of [...spares, ...idle]) {
      const known = this.#waiting.get(found.key);
      if (known === undefined) this.#waiting.set(found.key, found);
      else if (known.id !== found.id) surplus.push(found);
    }
    for (const found of ended) {
      const known = this.#ended.get(found.key);
      if (known === undefined) this.#ended.set(found.key, [found]);
      else if (!known.some(({ id }) => id === found.id)) surplus.push(found);
    }
    return surplus;
  }

  /** Not waited for: what stays is found and removed later. */
  discard(engine: Engine, id: string): void {
    engine.remove(id).catch((error: unknown) => {
      this.#log.warn('a container stays', { id, error: messageOf(error) });
    });
  }

  forget(key: string): void {
    this.#waiting.delete(key);
    this.#ended.delete(key);
  }

  async #make(spec: ProcessSpec, node: string, engine: Engine): Promise<Kept> {
    const instanceId = this.#newInstanceId();
    const options = this.#optionsOf(spec, node, instanceId);
    const recipe = this.#recipeOf(spec, node);
    const id = await engine.create(withRecipe(options, recipe));
    return { id, node, recipe, instanceId: spec.role === 'controller' ? instanceId : undefined };
  }

  /** Whether it is there, and as it would be made now. */
  #isAsWanted(kept: Kept, spec: ProcessSpec, node: string): boolean {
    return kept.node === node && kept.recipe === this.#recipeOf(spec, node);
  }

  /** A replica's name is taken until its old container is gone; other names are used once. */
  async #clear({ role }: ProcessSpec, { node, id }: Kept): Promise<void> {
    const engine = this.#nodes.engineOf(node);
    if (role === 'replica') await engine.remove(id);
    else this.discard(engine, id);
  }

  /** Of all that a container is made with, but for what is another one each time. */
  #recipeOf(spec: ProcessSpec, node: string): string {
    return recipeOf(this.#optionsOf(spec, node, ''));
  }

  #optionsOf(spec: ProcessSpec, node: string, instanceId: string): ContainerCreateOptions {
    if (spec.role === 'replica') return replicaOptions(this.#context, spec, this.#nodes.get(node));
    const holder = this.#holders.idOn(node, spec.key) ?? '';
    return controllerOptions(this.#context, spec, { node, instanceId, holder });
  }
}
