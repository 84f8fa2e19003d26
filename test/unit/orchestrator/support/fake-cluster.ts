import type { V1Deployment, V1PodSpec } from '@kubernetes/client-node';
import type {
  ContainerState,
  Deployment,
  KubeNode,
  Pod,
  Service,
} from '../../../../orchestrator/kubernetes/objects.ts';
import {
  DEPLOYMENTS,
  NODES,
  PODS,
  SERVICES,
} from '../../../../orchestrator/kubernetes/resources.ts';
import { FakeKube } from './fake-kube.ts';

/**
 * What the API server's neighbours do with what is in it, reduced to what matters to Keelson: one pod
 * per Deployment, made anew when it is deleted or when its template is another one; a scheduler that
 * knows node names; kubelets that start containers, and stop those of deleted pods.
 */
export class FakeCluster {
  readonly kube = new FakeKube();
  /** Nodes whose kubelet does nothing and says nothing. */
  readonly silent = new Set<string>();
  /** Pods that were ever bound to a node, as `POD@NODE`. */
  readonly bound: string[] = [];
  #count = 0;
  #isQueued = false;

  constructor(nodes: readonly string[]) {
    this.kube.hasKubelets = true;
    nodes.forEach((name, index) => {
      this.kube.put(NODES, nodeObject(name, `192.0.2.${index + 1}`, 'True'));
    });
    this.kube.watch((plural, _, after) => {
      if (plural === SERVICES.plural && after !== undefined) this.#giveAddress(after as Service);
      if (plural === DEPLOYMENTS.plural || plural === PODS.plural) this.#queue();
    });
  }

  setReady(name: string, status: 'True' | 'Unknown'): void {
    const node = this.kube.get(NODES, { name });
    const address = node?.status?.addresses?.[0]?.address ?? '';
    this.kube.put(NODES, nodeObject(name, address, status));
  }

  pods(role: string): Pod[] {
    return this.kube.list(PODS, { labels: { 'keelson.io/role': role } });
  }

  /** The one that is not being deleted. */
  pod(role: string): Pod {
    const [pod, second] = this.pods(role).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
    if (pod === undefined || second !== undefined) throw new Error(`expected one pod of a ${role}`);
    return pod;
  }

  deployment(role: string): Deployment | undefined {
    return this.kube.list(DEPLOYMENTS, { labels: { 'keelson.io/role': role } })[0];
  }

  /** Its container ends; kubelet has not done anything about it yet. */
  end(pod: Pod, exitCode: number, message?: string): void {
    const [container] = pod.status?.containerStatuses ?? [];
    const containerID = container?.containerID ?? '';
    const said = message === undefined ? {} : { message };
    this.#say(pod, 'Running', { terminated: { exitCode, containerID, ...said } });
  }

  /** Kubelet starts a container that has ended again. */
  restart(pod: Pod): void {
    this.#start(this.#now(pod));
  }

  /** Kubelet waits before it starts it again. */
  backOff(pod: Pod): void {
    const now = this.#now(pod);
    const [container] = now.status?.containerStatuses ?? [];
    const lastState = container?.state ?? {};
    this.#say(now, 'Running', { waiting: { reason: 'CrashLoopBackOff' } }, lastState);
  }

  /** The node says that it has put the pod out. */
  evict(pod: Pod): void {
    const [container] = pod.status?.containerStatuses ?? [];
    const terminated = { exitCode: 137, containerID: container?.containerID ?? '' };
    this.#say(
      this.#now(pod),
      'Failed',
      { terminated },
      {},
      {
        ...{ reason: 'Evicted', message: 'the node was low on memory' },
      },
    );
  }

  /** A pod that waits, for this reason. */
  hold(pod: Pod, reason: string, message: string): void {
    this.#say(this.#now(pod), 'Pending', { waiting: { reason, message } });
  }

  #queue(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      for (const deployment of this.kube.list(DEPLOYMENTS)) this.#scale(deployment);
      for (const pod of this.kube.list(PODS)) this.#keep(pod);
    });
  }

  #scale(deployment: Deployment): void {
    const { selector, template, replicas } = (deployment as unknown as V1Deployment).spec ?? {};
    const labels = selector?.matchLabels ?? {};
    const pods = this.kube.list(PODS, { labels });
    const live = pods.filter(({ metadata, status }) => {
      return metadata.deletionTimestamp === undefined && status?.phase !== 'Failed';
    });
    const madeFrom = JSON.stringify(template);
    const isOld = (pod: Pod) => pod.metadata.annotations?.madeFrom !== madeFrom;
    for (const pod of live.filter((one) => replicas === 0 || isOld(one))) {
      this.kube.remove(PODS, pod.metadata);
    }
    if (replicas !== 1 || live.some((pod) => !isOld(pod))) return;
    if (pods.some(isOld)) return; // the strategy is Recreate
    const metadata = {
      ...{ namespace: deployment.metadata.namespace, name: `pod-${++this.#count}` },
      labels: { ...template?.metadata?.labels },
      annotations: { ...template?.metadata?.annotations, madeFrom },
    };
    const spec = template?.spec as V1PodSpec;
    this.kube.create(PODS, { metadata, spec } as unknown as Pod);
  }

  #keep(pod: Pod): void {
    const { metadata, spec, status } = pod;
    const node = spec?.nodeName;
    if (node === undefined) {
      if (metadata.deletionTimestamp === undefined) this.#schedule(pod);
      else this.kube.remove(PODS, metadata, { graceSeconds: 0 });
      return;
    }
    if (this.silent.has(node)) return;
    if (metadata.deletionTimestamp === undefined) {
      if (status === undefined) this.#start(pod);
      return;
    }
    const [container] = status?.containerStatuses ?? [];
    // Whatever its containers did: the last that kubelet says of each is that it has ended.
    if (container !== undefined && container.state?.terminated === undefined) this.end(pod, 0);
    this.kube.remove(PODS, metadata, { graceSeconds: 0 });
  }

  #schedule(pod: Pod): void {
    const affinity = (pod.spec as V1PodSpec).affinity?.nodeAffinity;
    const [term] =
      affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
    const preferred = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    // Kubernetes gives no pods to a node that it knows to be away.
    const ready = this.kube.list(NODES).filter(({ status }) => {
      return status?.conditions?.[0]?.status === 'True';
    });
    const nodes = ready.map(({ metadata }) => metadata.name);
    const allowed = nodes.filter((node) =>
      (term?.matchFields ?? []).every(({ operator, values = [] }) => {
        return values.includes(node) === (operator === 'In');
      }),
    );
    const wished = preferred.map(({ preference }) => preference.matchFields?.[0]?.values?.[0]);
    const node = wished.find((one) => one !== undefined && allowed.includes(one)) ?? allowed[0];
    if (node === undefined) {
      const conditions = [{ type: 'PodScheduled', status: 'False', message: 'no node takes it' }];
      if (pod.status === undefined) {
        this.kube.put(PODS, { ...pod, status: { phase: 'Pending', conditions } } as Pod);
      }
      return;
    }
    this.bound.push(`${pod.metadata.labels?.['keelson.io/replica-id'] ?? 'controller'}@${node}`);
    this.kube.put(PODS, { ...pod, spec: { ...pod.spec, nodeName: node } });
  }

  #start(pod: Pod): void {
    const [container] = pod.status?.containerStatuses ?? [];
    const lastState = container?.state?.terminated === undefined ? {} : container.state;
    const id = `containerd://${++this.#count}`;
    const restarts = (container?.restartCount ?? -1) + 1;
    const status = {
      ...{ phase: 'Running', podIP: pod.status?.podIP ?? `198.51.100.${++this.#count}` },
      containerStatuses: [
        {
          ...{ name: 'c', ready: true, restartCount: restarts, containerID: id },
          ...{ state: { running: {} }, lastState },
        },
      ],
    };
    this.kube.put(PODS, { ...pod, status } as Pod);
  }

  #say(
    pod: Pod,
    phase: string,
    state: ContainerState,
    lastState: ContainerState = {},
    more: Readonly<Record<string, string>> = {},
  ): void {
    const [container] = pod.status?.containerStatuses ?? [];
    const status = {
      ...{ ...pod.status, phase, ...more },
      containerStatuses: [
        { name: 'c', restartCount: 0, ...container, ready: false, state, lastState },
      ],
    };
    this.kube.put(PODS, { ...pod, status } as Pod);
  }

  #now({ metadata }: Pod): Pod {
    const pod = this.kube.get(PODS, metadata);
    if (pod === undefined) throw new Error(`pod ${metadata.name} is gone`);
    return pod;
  }

  #giveAddress(service: Service): void {
    if (service.spec?.clusterIP !== undefined) return;
    const clusterIP = `203.0.113.${++this.#count}`;
    this.kube.put(SERVICES, { ...service, spec: { ...service.spec, clusterIP } });
  }
}

function nodeObject(name: string, address: string, status: 'True' | 'Unknown'): KubeNode {
  return {
    metadata: { name },
    status: {
      conditions: [{ type: 'Ready', status, message: 'kubelet says so' }],
      addresses: [{ type: 'InternalIP', address }],
    },
  };
}
