import { messageOf } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { ControllerProcess } from '../../plan/processes.ts';
import { type ContainerContext, holderOptions } from './container-options.ts';
import type { DockerNodes } from './docker-nodes.ts';
import type { FoundContainer } from './engine.ts';
import type { Found } from './inventory.ts';
import { recipeOf, withRecipe } from './recipe.ts';
import type { Run, Runs } from './runs.ts';

type Holder = Pick<Found, 'id' | 'key' | 'node' | 'recipe'>;

/**
 * The containers that have the addresses of controllers (ADR 0023): one a volume, on the node of its
 * controller, which runs in the network of its holder. A holder is started once. When it ends, what
 * was in its network is cut off for good, so the controller is killed, and both are made anew.
 */
export class AddressHolders {
  readonly #context: ContainerContext;
  readonly #nodes: DockerNodes;
  readonly #runs: Runs;
  readonly #log: Log;
  /** By process key: those that run, as far as we know. */
  readonly #known = new Map<string, Holder>();
  /** Those that are looked at before they are used again, by process key. */
  readonly #doubted = new Set<string>();

  constructor(options: {
    readonly context: ContainerContext;
    readonly nodes: DockerNodes;
    readonly runs: Runs;
    readonly log: Log;
  }) {
    this.#context = options.context;
    this.#nodes = options.nodes;
    this.#runs = options.runs;
    this.#log = options.log;
  }

  /** The one that runs on this node; undefined when there is none. */
  idOn(node: string, key: string): string | undefined {
    const known = this.#known.get(key);
    return known?.node === node ? known.id : undefined;
  }

  /**
   * For a controller that is down. A volume's holders all have one name: whatever has it on this engine
   * goes first, and lets go of the address by that.
   */
  async ensure(spec: ControllerProcess, node: string): Promise<void> {
    const { key } = spec;
    const options = holderOptions(this.#context, spec, node);
    const recipe = recipeOf(options);
    const engine = this.#nodes.engineOf(node);
    const known = this.#known.get(key);
    if (known?.node === node && known.recipe === recipe) {
      const isDoubted = this.#doubted.delete(key);
      if (!isDoubted || (await engine.runningSinceMs(known.id)) !== undefined) return;
    }
    this.#known.delete(key);
    if (known !== undefined && known.node !== node) this.#discard(known);
    const id = await engine.create(withRecipe(options, recipe));
    const holder = { id, key, node, recipe };
    this.#known.set(key, holder); // before the start, so that no end is missed
    try {
      await engine.start(id);
    } catch (error) {
      this.forget(key);
      this.#discard(holder);
      throw error;
    }
  }

  /** A controller could not be started, which may be because of it. */
  doubt(key: string): void {
    if (this.#known.has(key)) this.#doubted.add(key);
  }

  forget(key: string): void {
    this.#known.delete(key);
    this.#doubted.delete(key);
  }

  /** A container has ended or was removed. */
  onEnd(id: string): void {
    const ended = [...this.#known.values()].find((holder) => holder.id === id);
    if (ended === undefined) return;
    this.#known.delete(ended.key);
    const run = this.#controllerOf(ended);
    if (run?.node === ended.node) this.#cutOff(run);
  }

  /** What these nodes have: events may have been lost, or we are new here. */
  onList(
    nodes: ReadonlySet<string>,
    what: {
      readonly listed: readonly FoundContainer[];
      readonly holders: readonly Found[];
      /** Whether the list can be believed about a process. */
      readonly isSettled: (key: string) => boolean;
    },
  ): void {
    const { listed, holders, isSettled } = what;
    for (const { id, key, node } of [...this.#known.values()]) {
      const isThere = holders.some((found) => found.id === id && found.isLive);
      if (nodes.has(node) && isSettled(key) && !isThere) this.#known.delete(key);
    }
    for (const found of holders) this.#take(found);
    for (const { id, networkOf } of listed) {
      const run = this.#runs.inContainer(id);
      if (run?.node === undefined || run.state === 'down' || networkOf === undefined) continue;
      if (networkOf !== this.idOn(run.node, run.spec.key)) this.#cutOff(run);
    }
  }

  /** An address belongs where the controller runs, or ran last. */
  #take(found: Found): void {
    const known = this.#known.get(found.key);
    if (known?.id === found.id) return;
    const run = this.#controllerOf(found);
    const home = run?.node ?? known?.node ?? found.node;
    if (!found.isLive || found.node !== home) {
      this.#discard(found);
      return;
    }
    if (known !== undefined) this.#discard(known);
    this.#known.set(found.key, found);
    if (run !== undefined) void this.#checkAge(found, run);
  }

  /** Somebody may have restarted it while nobody looked: what ran there before is cut off. */
  async #checkAge({ id, node }: Holder, run: Run): Promise<void> {
    try {
      const engine = this.#nodes.engineOf(node);
      const [own = 0, controllers = own] = await Promise.all(
        [id, run.containerId ?? id].map((container) => engine.runningSinceMs(container)),
      );
      if (own > controllers) this.#cutOff(run);
    } catch {
      // the engine went away: it is listed again when it is back
    }
  }

  /** The run of its controller, unless that is down. */
  #controllerOf({ key }: Holder): Run | undefined {
    const run = this.#runs.get(key);
    return run?.state === 'down' ? undefined : run;
  }

  /** It reaches nobody any more. Of its end the engine tells. */
  #cutOff({ spec, containerId, node }: Run): void {
    if (containerId === undefined || node === undefined) return;
    this.#log.warn('kill a controller that has lost its address', { process: spec.key });
    const killed = this.#nodes.engineOf(node).kill(containerId);
    killed.catch((error: unknown) => {
      this.#log.warn('kill a container', { id: containerId, error: messageOf(error) });
    });
  }

  /** Not waited for: what stays is found and removed later. */
  #discard({ id, node }: Holder): void {
    const removed = this.#nodes.engineOf(node).remove(id);
    removed.catch((error: unknown) => {
      this.#log.warn('a container stays', { id, error: messageOf(error) });
    });
  }
}
