import type { Informer, KubeApi } from '../../../orchestrator/kubernetes/kube-api.ts';
import type { Pod } from '../../../orchestrator/kubernetes/objects.ts';
import { NODES, PODS } from '../../../orchestrator/kubernetes/resources.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';

/** Where nodes and pods have their addresses: all of them lead to this machine. */
export const NODE_RANGE = '10.253.0.0/16';
export const POD_RANGE = '10.254.0.0/16';

const TIME = '2026-11-21T12:00:00Z';

/** Kubelets of nodes that are none: every pod runs at once, every job succeeds. */
export class PlayedKubelets {
  readonly #api: KubeApi;
  readonly #pods: Informer<Pod>;
  /** By uid, what was last done for it. */
  readonly #done = new Map<string, 'run' | 'removed'>();
  #addressCount = 0;

  private constructor(api: KubeApi) {
    this.#api = api;
    this.#pods = api.inform(PODS);
    this.#pods.subscribe(({ after }) => {
      if (after !== undefined) void this.#look(after);
    });
  }

  static async start(api: KubeApi, names: readonly string[]): Promise<PlayedKubelets> {
    await Promise.all(names.map((name, index) => makeNode(api, name, index)));
    const kubelets = new PlayedKubelets(api);
    await kubelets.#pods.ready;
    return kubelets;
  }

  async #look(pod: Pod): Promise<void> {
    const { uid = '', deletionTimestamp, name } = pod.metadata;
    const isBound = pod.spec?.nodeName !== undefined;
    try {
      if (deletionTimestamp !== undefined && this.#done.get(uid) !== 'removed') {
        this.#done.set(uid, 'removed');
        await this.#api.remove(PODS, pod.metadata, { uid, graceSeconds: 0 });
      } else if (isBound && !this.#done.has(uid)) {
        this.#done.set(uid, 'run');
        const status = name.startsWith('job-') ? succeeded(pod) : running(pod, this.#nextAddress());
        await this.#api.patch(PODS, pod.metadata, { status }, 'status');
      }
    } catch (error) {
      // It was removed meanwhile.
      if (!(error instanceof KeelsonError) || error.code !== 'NOT_FOUND') throw error;
    }
  }

  #nextAddress(): string {
    this.#addressCount += 1;
    return `10.254.${this.#addressCount >> 8}.${this.#addressCount & 255}`;
  }
}

async function makeNode(api: KubeApi, name: string, index: number): Promise<void> {
  await api.create(NODES, { metadata: { name } });
  const capacity = { cpu: '64', memory: '512Gi', pods: '10000' };
  const status = {
    ...{ capacity, allocatable: capacity },
    conditions: [condition('Ready', 'kubelet is played')],
    addresses: [{ type: 'InternalIP', address: `10.253.0.${index + 1}` }],
  };
  await api.patch(NODES, { name }, { status }, 'status');
}

function running(pod: Pod, podIP: string): object {
  return {
    ...{ phase: 'Running', podIP, startTime: TIME, conditions: [condition('Ready', 'it runs')] },
    containerStatuses: [
      { ...containerOf(pod), ready: true, started: true, state: { running: { startedAt: TIME } } },
    ],
  };
}

function succeeded(pod: Pod): object {
  const { containerID } = containerOf(pod);
  const terminated = { exitCode: 0, reason: 'Completed', startedAt: TIME, finishedAt: TIME };
  return {
    ...{ phase: 'Succeeded', startTime: TIME },
    containerStatuses: [
      { ...containerOf(pod), ready: false, state: { terminated: { ...terminated, containerID } } },
    ],
  };
}

function containerOf({ metadata, spec }: Pod): { containerID: string } & Record<string, unknown> {
  const { containers } = (spec ?? {}) as {
    containers?: readonly { name: string; image: string }[];
  };
  const [{ name, image } = { name: '', image: '' }] = containers ?? [];
  const containerID = `containerd://${metadata.uid}`;
  return { name, image, imageID: image, restartCount: 0, containerID };
}

function condition(type: string, message: string): object {
  return { type, status: 'True', reason: 'Played', message, lastTransitionTime: TIME };
}
