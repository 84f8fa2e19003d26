import { join } from 'node:path';
import { ApiClient } from '../../../orchestrator/client/api-client.ts';
import { copyDirectoryName } from '../../../orchestrator/model/layout.ts';
import type { VolumeView } from '../../../orchestrator/model/view.ts';
import type { VolumeName } from '../../../orchestrator/model/volume.ts';
import {
  DEFAULT_SYSTEM_NAMESPACE,
  LABELS,
  LEADER_LABEL,
  NAMES,
} from '../../../orchestrator/platforms/kubernetes/names.ts';
import { eventually, run } from '../../support/child.ts';
import { whenHealthy } from '../../support/healthy.ts';
import type { VolumeHost, VolumeWish } from '../../support/verified-volume.ts';
import { Harness } from './harness.ts';
import { apply, find, get, kubectlWith, list } from './kubectl.ts';
import { Nodes } from './nodes.ts';
import { currentSuite } from './suite.ts';

/** As much of a pod as the tests look at. */
export interface TestPod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly {
      readonly containerID?: string;
      readonly restartCount: number;
      readonly state?: { readonly running?: unknown };
    }[];
  };
}

export const SYSTEM = DEFAULT_SYSTEM_NAMESPACE;

const REPLICAS = 'keelson.io/replicas';
/** Its processes end, then a pod on each node erases the copy there. */
const REMOVAL_LIMIT_MS = 180_000;

const ORCHESTRATORS = 'app.kubernetes.io/component=orchestrator';
const API_PORT = 5705;
const ANSWER_LIMIT_MS = 120_000;
const HEALTHY_LIMIT_MS = 180_000;
const POD_LIMIT_MS = 60_000;

/** Keelson as it runs in the cluster, for whoever is in the cluster's network. */
export class Installation implements VolumeHost {
  #api: ApiClient;
  #harness: Harness | undefined;

  private constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Waits until the pod that leads answers. */
  static async connect(): Promise<Installation> {
    currentSuite(); // says what to do where there is no cluster
    return eventually(
      `the Service ${SYSTEM}/${NAMES.api} answers`,
      async () => {
        const service = await get<{ spec: { clusterIP: string } }>('service', NAMES.api, SYSTEM);
        const secret = await get<{ data: { token: string } }>('secret', NAMES.apiToken, SYSTEM);
        const token = Buffer.from(secret.data.token, 'base64').toString();
        const url = `http://${service.spec.clusterIP}:${API_PORT}`;
        const installation = new Installation(new ApiClient({ url, token }));
        await installation.api.nodes();
        return installation;
      },
      { withinMs: ANSWER_LIMIT_MS, everyMs: 200 },
    );
  }

  get api(): ApiClient {
    return this.#api;
  }

  /** Installed anew, it has another address and another token. */
  async reconnect(): Promise<void> {
    this.#api = (await Installation.connect()).api;
  }

  /** The machines below it. */
  get nodes(): Nodes {
    return new Nodes(this.harness);
  }

  get harness(): Harness {
    const { harness } = currentSuite();
    if (harness === undefined) {
      throw new Error(
        'the nodes of the cluster: expected to get at them by ../shared/kube, which is not what ' +
          'KUBECONFIG names; run this test without KUBECONFIG',
      );
    }
    this.#harness ??= new Harness(harness);
    return this.#harness;
  }

  /** As people do: `kubectl apply`. The first copy, and so the controller, is on the first node. */
  async createVolume({ namespace, name }: VolumeName, wish: VolumeWish): Promise<void> {
    const { [REPLICAS]: replicas, ...labels } = wish.labels;
    await apply({
      ...{ apiVersion: 'keelson.io/v1alpha1', kind: 'Volume' },
      metadata: { namespace, name, labels },
      spec: {
        size: wish.size,
        placement: { preferredNode: this.nodes.names[0] },
        ...(replicas === undefined ? {} : { replicas: Number(replicas) }),
      },
    });
  }

  async deleteVolume({ namespace, name }: VolumeName): Promise<void> {
    const words = ['delete', 'volumes.keelson.io', name, '-n', namespace];
    await kubectlWith(undefined, words, REMOVAL_LIMIT_MS);
  }

  async differenceOf(volume: VolumeView, node: string, otherNode: string): Promise<string> {
    const { harness } = this;
    const files = [node, otherNode].map((name) => dataFileOf(harness, volume, name));
    const { code, stdout, stderr } = await run('cmp', files);
    return code === 0 ? '' : `${stdout}${stderr}`;
  }

  /** Whether there is one, in whatever state. */
  static async exists(): Promise<boolean> {
    return (await find('service', NAMES.api, SYSTEM)) !== undefined;
  }

  /** Resolves when the API answers again, which it does not while nobody leads. */
  async whenAnswering(): Promise<void> {
    await eventually('the leader answers', () => this.api.nodes(), { withinMs: ANSWER_LIMIT_MS });
  }

  whenHealthy(volume: VolumeName, afterGeneration = -1): Promise<VolumeView> {
    const limits = { withinMs: HEALTHY_LIMIT_MS, everyMs: 50 };
    return whenHealthy(this.api, volume, { afterGeneration, ...limits });
  }

  /** Orchestrator pods that are not on their way out. */
  async orchestrators(): Promise<TestPod[]> {
    return livePods(ORCHESTRATORS);
  }

  /** The orchestrator pod that leads. */
  leader(): Promise<TestPod> {
    return eventually('a pod leads', async () => (await livePods(`${LEADER_LABEL}=true`))[0], {
      withinMs: POD_LIMIT_MS,
    });
  }

  /** The pod in which the volume's controller runs. */
  controllerOf(volume: VolumeView): Promise<TestPod> {
    return runningPod(`${LABELS.volumeId}=${volume.id},${LABELS.role}=controller`);
  }

  /** The pod of the copy on that node. */
  async replicaOf(volume: VolumeView, node: string): Promise<TestPod> {
    const view = await this.api.volume(volume);
    const copy = view.copies.find((candidate) => candidate.node === node);
    if (copy === undefined) throw new Error(`expected a copy on ${node}, there is none`);
    return runningPod(
      `${LABELS.volumeId}=${volume.id},${LABELS.role}=replica,${LABELS.replicaId}=${copy.replicaId}`,
    );
  }

  /** Every pod of the volume, whatever its state. */
  podsOf(volume: VolumeView): Promise<TestPod[]> {
    return list<TestPod>('pods', {
      ...{ namespace: SYSTEM, selector: `${LABELS.volumeId}=${volume.id}` },
    });
  }
}

/** Where the replica on that node keeps the volume, as this machine sees it. */
export function copyDirectoryOf(harness: Harness, volume: VolumeView, node: string): string {
  return join(dataRootOf(harness, node), copyDirectoryName(volume));
}

/** What the orchestrator calls --data-root. */
export function dataRootOf(harness: Harness, node: string): string {
  return join(harness.diskOf(node), 'keelson');
}

function dataFileOf(harness: Harness, volume: VolumeView, node: string): string {
  return join(copyDirectoryOf(harness, volume, node), 'data');
}

/** Of the one container that all of our pods have. */
export function containerOf({ metadata, status }: TestPod): string {
  const [container] = status.containerStatuses ?? [];
  if (container?.containerID !== undefined) return container.containerID;
  throw new Error(`pod ${metadata.name}: expected a container, it has none yet`);
}

function runningPod(selector: string): Promise<TestPod> {
  return eventually(
    `a pod with ${selector} runs`,
    async () => {
      const pods = await livePods(selector);
      return pods.find(({ status }) => status.containerStatuses?.[0]?.state?.running !== undefined);
    },
    { withinMs: POD_LIMIT_MS },
  );
}

async function livePods(selector: string): Promise<TestPod[]> {
  const pods = await list<TestPod>('pods', { namespace: SYSTEM, selector });
  return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}
