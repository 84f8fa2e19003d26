import { NODES } from '../../../../orchestrator/kubernetes/resources.ts';
import type { NodeRecord } from '../../../../orchestrator/model/node.ts';
import type { VolumeRecord } from '../../../../orchestrator/model/volume.ts';
import { type ProcessSpec, processesOf } from '../../../../orchestrator/plan/processes.ts';
import { KubernetesPlatform } from '../../../../orchestrator/platforms/kubernetes/kubernetes-platform.ts';
import type { ProcessChange } from '../../../../orchestrator/platforms/platform.ts';
import type { ProbeResult } from '../../../../orchestrator/platforms/prober.ts';
import { FakeCluster } from './fake-cluster.ts';
import type { FakeClient } from './fake-kube.ts';
import { makeRecord } from './records.ts';

const WAIT_MS = 4_000;
const NODE_NAMES = ['node1', 'node2', 'node3'];

/** The Kubernetes platform on a cluster that only pretends, with one volume that has two copies. */
export class KubernetesStage {
  readonly cluster: FakeCluster;
  readonly client: FakeClient;
  readonly platform: KubernetesPlatform;
  readonly changes: ProcessChange[] = [];
  readonly warnings: string[] = [];
  readonly prepared: string[] = [];
  record: VolumeRecord;
  /** Restarts by itself, as the reconciler does. */
  restarts = true;
  /** What is answered at an address. */
  answer: (host: string) => ProbeResult = () => 'open';
  nowMs = 1_000_000;

  private constructor(cluster: FakeCluster, options: StageOptions) {
    this.cluster = cluster;
    this.record = options.record ?? makeRecord({ copyCount: 2 });
    this.client = cluster.kube.client();
    this.platform = new KubernetesPlatform({
      ...{ api: this.client, namespace: 'keelson-system', installationId: 'inst' },
      clusterNodes: this.client.inform(NODES),
      images: { controller: 'controller:1', replica: `replica:${options.tag ?? '1'}` },
      ...{ dataRoot: '/srv/keelson', registryUrl: 'http://203.0.113.250:5705' },
      nodes: () => NODE_NAMES.map((name, index) => nodeRecord(name, index, options)),
      wanted: () => new Map(this.processes.map((process) => [process.key, process])),
      onPrepared: async (node) => void this.prepared.push(node),
      onChange: (change) => {
        this.changes.push(change);
        if (change.kind === 'exited') this.#restart(change.process);
        if (change.kind === 'nodes-changed') this.#restartAll();
      },
      log: {
        info: () => undefined,
        warn: (message, fields) => this.warnings.push(`${message} ${JSON.stringify(fields)}`),
        error: console.error,
      },
      clock: { nowMs: () => this.nowMs },
      probe: async ({ host }) => this.answer(host),
    });
  }

  static async open(
    cluster = new FakeCluster(NODE_NAMES),
    options: StageOptions = {},
  ): Promise<KubernetesStage> {
    const stage = new KubernetesStage(cluster, options);
    await stage.platform.open();
    return stage;
  }

  /** The volume's processes, replicas first. */
  get processes(): ProcessSpec[] {
    return processesOf(this.record);
  }

  get controller(): ProcessSpec {
    return this.#find(({ role }) => role === 'controller');
  }

  get replica(): ProcessSpec {
    return this.#find(({ role }) => role === 'replica');
  }

  stateOf({ key }: ProcessSpec): string | undefined {
    return this.platform.observe('default/demo').find((process) => process.key === key)?.state;
  }

  exits(): string[] {
    return this.changes.flatMap((change) =>
      change.kind === 'exited' ? `${change.process.key}: ${change.reason}` : [],
    );
  }

  kinds(): string[] {
    return this.changes.map(({ kind }) => kind);
  }

  gone(): string[] {
    return this.changes.flatMap((change) =>
      change.kind === 'instance-gone' ? change.instanceId : [],
    );
  }

  heldUp(): string[] {
    return this.changes.flatMap((change) => (change.kind === 'held-up' ? change.reason : []));
  }

  /** Starts all of them and waits until each is ready. */
  async up(processes: readonly ProcessSpec[] = this.processes): Promise<void> {
    for (const process of processes) this.platform.start(process);
    for (const process of processes) await this.until(() => this.stateOf(process) === 'ready');
    this.client.calls.length = 0;
  }

  async until(isSo: () => boolean): Promise<void> {
    const giveUpAtMs = performance.now() + WAIT_MS;
    while (!isSo()) {
      if (performance.now() > giveUpAtMs) {
        throw new Error(`never: ${isSo}; ${JSON.stringify(this.exits())} ${this.warnings}`);
      }
      await new Promise((done) => setTimeout(done, 2));
    }
  }

  #restartAll(): void {
    for (const process of this.processes) {
      if (this.stateOf(process) === 'down') this.#restart(process);
    }
  }

  #restart(process: ProcessSpec): void {
    const isDown = this.platform.observeNodes().some(({ name, down }) => {
      return process.role === 'replica' && name === process.node && down !== undefined;
    });
    const isWanted = this.processes.some(({ key }) => key === process.key);
    if (this.restarts && isWanted && !isDown) this.platform.start(process);
  }

  #find(isMeant: (process: ProcessSpec) => boolean): ProcessSpec {
    const found = this.processes.find(isMeant);
    if (found === undefined) throw new Error('expected such a process');
    return found;
  }
}

export interface StageOptions {
  readonly record?: VolumeRecord;
  /** Of the replica's image. */
  readonly tag?: string;
  readonly isUnprepared?: boolean;
}

function nodeRecord(name: string, index: number, { isUnprepared }: StageOptions): NodeRecord {
  return {
    ...{ name, number: index + 1, isPrepared: isUnprepared !== true },
    ...{ isCordoned: false, isDraining: false },
  };
}
