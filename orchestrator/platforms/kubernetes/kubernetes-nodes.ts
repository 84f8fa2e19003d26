import type { Clock } from '../../../replica/common/clock.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import type { Endpoint } from '../../model/address-plan.ts';
import { copyDirectoryName } from '../../model/layout.ts';
import { WRONG_DISK_EXIT_CODE } from '../exit-reason.ts';
import type { PlatformNode } from '../platform.ts';
import { type Probe, probeByTcp } from '../prober.ts';
import { JobRunner } from './job-runner.ts';
import type { NamedVolume } from './names.ts';
import { NodeDisks } from './node-disks.ts';
import { internalAddressOf, NodeWatch } from './node-watch.ts';
import type { KubernetesPlatformOptions } from './platform-options.ts';
import type { ProcessObjects } from './process-objects.ts';

export interface KubernetesNodesOptions
  extends Pick<
    KubernetesPlatformOptions,
    'api' | 'nodes' | 'clusterNodes' | 'onPrepared' | 'log' | 'dataRoot' | 'probe'
  > {
  readonly context: KubernetesPlatformOptions;
  readonly clock: Clock;
  readonly objects: ProcessObjects;
  /** Where processes of ours on that node answer. */
  readonly doorsOn: (node: string) => readonly Endpoint[];
  /** A node went away or is back. */
  readonly onChange: () => void;
}

/** How often it is looked whether a node's turn has come: well below every interval that matters. */
const TICK_MS = 100;

/** The nodes of the cluster: which are down, and whether the directories of those in use are there. */
export class KubernetesNodes {
  readonly #options: KubernetesNodesOptions;
  readonly #watch: NodeWatch;
  readonly #disks: NodeDisks;
  readonly #jobs: JobRunner;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: KubernetesNodesOptions) {
    const { api, context, clock, objects, nodes, clusterNodes, log } = options;
    const { dataRoot, onPrepared, onChange } = options;
    this.#options = options;
    this.#watch = new NodeWatch({
      ...{ clock, probe: this.probe, nodes: () => clusterNodes.all(), doorsOn: options.doorsOn },
      isUsed: (node) => objects.isOnNode(node),
      canJudge: () => clusterNodes.down === undefined,
      onChange,
    });
    this.#jobs = new JobRunner({ api, context, pods: objects.pods, log });
    this.#disks = new NodeDisks({
      ...{ clock, jobs: this.#jobs, dataRoot, nodes, onPrepared, onChange },
      isReachable: (node) => this.#watch.downOf(node) === undefined,
    });
  }

  get probe(): Probe {
    return this.#options.probe ?? probeByTcp;
  }

  async open(): Promise<void> {
    const { clusterNodes } = this.#options;
    await clusterNodes.ready;
    this.#watch.look();
    clusterNodes.subscribe(() => this.#watch.look());
    const tick = () => {
      this.#watch.tick();
      this.#disks.tick();
    };
    tick();
    this.#timer = setInterval(tick, TICK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  observe(): PlatformNode[] {
    const { nodes, clusterNodes, dataRoot } = this.#options;
    return nodes().map(({ name }) => {
      const node = clusterNodes.get({ name });
      return {
        ...{ name, directory: dataRoot, address: internalAddressOf(node) ?? 'unknown' },
        down: this.#watch.downOf(name) ?? this.#disks.downOf(name),
      };
    });
  }

  /** Why nothing runs there; undefined although its disk may be away. */
  whyDown(name: string): string | undefined {
    return this.#watch.downOf(name)?.reason;
  }

  /** Nodes that are down, which Kubernetes has not noticed yet: it would still give them pods. */
  unnoticed(): string[] {
    return this.#watch.unnoticed();
  }

  /** A replica did not find its node's disk. */
  reportDisk(name: string, reason: string): void {
    this.#disks.report(name, reason);
  }

  /** Whether a job can be done there. */
  isUp(name: string): boolean {
    return this.#watch.downOf(name) === undefined && this.#disks.downOf(name) === undefined;
  }

  /** Errors: those of the job. A node whose disk it did not find is down from then on. */
  async eraseCopy(volume: NamedVolume, node: string): Promise<void> {
    const { exitCode, sentence } = await this.#jobs.run({ kind: 'erase', node, volume });
    if (exitCode === 0) return;
    const reason = sentence ?? `code ${exitCode}`;
    if (exitCode === WRONG_DISK_EXIT_CODE) this.#disks.report(node, reason);
    const what = `erase ${this.directoryOf(volume)} on ${node}`;
    throw new KeelsonError('IO_FAILED', `${what}: ${reason}`);
  }

  directoryOf(volume: NamedVolume): string {
    return `${this.#options.dataRoot}/${copyDirectoryName(volume)}`;
  }
}
