import type { ContainerCreateOptions } from 'dockerode';
import { assert } from '../../../replica/common/assert.ts';
import { monotonicClock } from '../../../replica/common/clock.ts';
import { messageOf } from '../../../replica/common/errors.ts';
import type { NodeRecord } from '../../model/node.ts';
import type { PlatformNode } from '../platform.ts';
import {
  type ContainerContext,
  checkNodeOptions,
  NODE_DIRECTORY,
  prepareNodeOptions,
} from './container-options.ts';
import { Engine, type EngineEvent, type FoundContainer, type JobResult } from './engine.ts';
import { EngineWatch } from './engine-watch.ts';
import type { DockerNode } from './node-option.ts';

export interface DockerNodesOptions {
  readonly nodes: readonly DockerNode[];
  readonly context: ContainerContext;
  readonly onEvent: (event: EngineEvent) => void;
  /** What is known at this moment; `onList` gets it back. */
  readonly mark: () => number;
  /** What there was on the engine of these nodes since the mark. */
  readonly onList: (
    nodes: ReadonlySet<string>,
    found: readonly FoundContainer[],
    mark: number,
  ) => void;
  /** An engine is there, or there again. Errors: none. */
  readonly onConnect: (engine: Engine) => Promise<void>;
  /** A node went away or is back. */
  readonly onChange: () => void;
  /** From now on a missing directory is a missing disk. */
  readonly onPrepared: (node: string) => Promise<void>;
}

type Down = NonNullable<PlatformNode['down']>;

interface Node extends DockerNode {
  readonly watch: EngineWatch;
  /** Set while its directory is not there, or not made yet. */
  disk: Down | undefined;
  isPrepared: boolean;
  /** While its directory is looked at. */
  check: Promise<void> | undefined;
}

/** A disk that is away tells nobody when it is back. */
const DISK_RETRY_MS = 5_000;

/** The nodes of an installation on Docker: each an engine, perhaps shared, and a directory. */
export class DockerNodes {
  readonly #options: DockerNodesOptions;
  readonly #nodes = new Map<string, Node>();
  readonly #watches: readonly EngineWatch[];
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  #isClosed = false;

  constructor(options: DockerNodesOptions, records: readonly NodeRecord[]) {
    this.#options = options;
    const byEngine = Map.groupBy(options.nodes, ({ engine }) => JSON.stringify(engine));
    this.#watches = [...byEngine.values()].map((nodes) => {
      const [first] = nodes;
      assert(first !== undefined, 'a group has members');
      const watch = this.#watchOf(new Engine(first.engine), new Set(nodes.map(({ name }) => name)));
      for (const node of nodes) this.#nodes.set(node.name, { ...node, ...stateOf(node), watch });
      return watch;
    });
    function stateOf({ name }: DockerNode): Omit<Node, keyof DockerNode | 'watch'> {
      const isPrepared = records.some((record) => record.name === name && record.isPrepared);
      const sinceMs = monotonicClock.nowMs();
      const disk = isPrepared ? undefined : { sinceMs, reason: 'its directory is not made yet' };
      return { disk, isPrepared, check: undefined };
    }
  }

  /** Asks every engine once, and makes the directories of new nodes on those that answer. */
  async open(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.open()));
    this.#isOpen = true;
    await this.#checkDisks();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const watch of this.#watches) watch.close();
  }

  observe(): PlatformNode[] {
    return [...this.#nodes.values()].map(({ name, address, engine, dataRoot, disk, watch }) => ({
      ...{ name, directory: dataRoot, address: address ?? engine.url },
      down: watch.down ?? disk,
    }));
  }

  isUp(name: string): boolean {
    const node = this.#nodes.get(name);
    return node !== undefined && node.watch.down === undefined && node.disk === undefined;
  }

  /** Whether its engine answers; its disk may be away. */
  hasEngine(name: string): boolean {
    return this.#require(name).watch.down === undefined;
  }

  /** What there is may be another thing than was told. */
  look(name: string): void {
    this.#require(name).watch.look();
  }

  /** The first of these, or of all, that is up. */
  firstUp(preferred: readonly string[]): string | undefined {
    const names = [...preferred, ...this.#nodes.keys()];
    return names.find((name) => this.isUp(name));
  }

  get(name: string): DockerNode {
    return this.#require(name);
  }

  engineOf(name: string): Engine {
    return this.#require(name).watch.engine;
  }

  /** Each engine that answers, once. */
  enginesUp(): Engine[] {
    return this.#watches.filter(({ down }) => down === undefined).map(({ engine }) => engine);
  }

  get areAllUp(): boolean {
    return this.#watches.every(({ down }) => down === undefined);
  }

  runJob(name: string, options: ContainerCreateOptions): Promise<JobResult> {
    return this.engineOf(name).runJob(options);
  }

  /** A replica did not find its node's disk. Looked at now and then until it is there. */
  reportDisk(name: string, reason: string): void {
    const node = this.#require(name);
    if (node.disk !== undefined) return;
    node.disk = { sinceMs: monotonicClock.nowMs(), reason };
    this.#options.onChange();
    this.#scheduleCheck();
  }

  #watchOf(engine: Engine, nodes: ReadonlySet<string>): EngineWatch {
    const { context, onEvent, mark, onList, onConnect, onChange } = this.#options;
    return new EngineWatch({
      ...{ engine, installation: context.installation, onEvent, mark },
      onList: (found, mark) => onList(nodes, found, mark),
      onConnect: () => onConnect(engine),
      onChange: () => {
        onChange();
        if (this.#isOpen) void this.#checkDisks();
      },
    });
  }

  /** Makes or looks at every directory that is not known to be there. */
  async #checkDisks(): Promise<void> {
    const nodes = [...this.#nodes.values()].filter(({ disk, watch }) => disk && !watch.down);
    await Promise.all(
      nodes.map((node) => {
        node.check ??= this.#checkDisk(node).finally(() => {
          node.check = undefined;
        });
        return node.check;
      }),
    );
    this.#scheduleCheck();
  }

  async #checkDisk(node: Node): Promise<void> {
    const reason = await this.#whyNoDisk(node);
    if (reason === undefined) {
      if (!node.isPrepared) await this.#options.onPrepared(node.name);
      node.isPrepared = true;
      node.disk = undefined;
      this.#options.onChange();
    } else if (node.disk !== undefined) {
      node.disk = { ...node.disk, reason };
    }
  }

  async #whyNoDisk(node: Node): Promise<string | undefined> {
    const { context } = this.#options;
    const job = node.isPrepared
      ? checkNodeOptions(context, node)
      : prepareNodeOptions(context, node);
    try {
      const { exitCode, sentence } = await this.runJob(node.name, job);
      if (exitCode === 0) return undefined;
      // It speaks of what it sees; people know the directory by another name.
      const ours = sentence?.replaceAll(
        new RegExp(`${NODE_DIRECTORY}(?![\\w-])`, 'g'),
        node.dataRoot,
      );
      return ours ?? `${job.name} ended with code ${exitCode}`;
    } catch (error) {
      return messageOf(error);
    }
  }

  #scheduleCheck(): void {
    clearTimeout(this.#timer);
    const isWaiting = [...this.#nodes.values()].some(({ disk }) => disk !== undefined);
    if (!isWaiting || this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#checkDisks(), DISK_RETRY_MS);
  }

  #require(name: string): Node {
    const node = this.#nodes.get(name);
    assert(node !== undefined, 'every node of the registry is configured', { name });
    return node;
  }
}
