import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { assert } from '../../../replica/common/assert.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import type { Log } from '../../../replica/common/log.ts';
import type { Installation } from '../../installation/installation.ts';
import { connectKube, type KubeClient } from '../../kubernetes/client.ts';
import type { Informer } from '../../kubernetes/kube-api.ts';
import { LeaderElection } from '../../kubernetes/leader.ts';
import type { KubeNode, RuleObject, VolumeObject } from '../../kubernetes/objects.ts';
import { NAMESPACES, NODES, RULES, VOLUMES } from '../../kubernetes/resources.ts';
import { startOperator } from '../../operator/operator.ts';
import { processesByKey } from '../../plan/processes.ts';
import { startProvisioner } from '../../provisioner/provisioner.ts';
import { openKubeStore } from '../../registry/kube-store.ts';
import { Registry } from '../../registry/registry.ts';
import { SharedStore } from '../../registry/shared-store.ts';
import type { Ground, Leadership, PlatformKind, Records } from '../platform-kind.ts';
import type { KubernetesOptions } from './kubernetes-options.ts';
import { KubernetesPlatform } from './kubernetes-platform.ts';
import { labelLeader } from './leader-label.ts';
import { NAMES } from './names.ts';
import { findImages, findRegistryUrl } from './own-pod.ts';
import type { WorkloadContext } from './platform-options.ts';
import { openTokenSecret } from './token-secret.ts';

interface Surroundings {
  readonly log: Log;
  /** The time of day. */
  readonly now: () => Date;
}

/** Of a start, while the API server does not answer. */
const RETRY_MS = 1_000;

/** What is there once the records were read. */
interface Opened {
  readonly context: WorkloadContext;
  readonly store: SharedStore;
  readonly volumes: Informer<VolumeObject>;
  readonly rules: Informer<RuleObject>;
  readonly nodes: Informer<KubeNode>;
  readonly election: LeaderElection;
  readonly leadership: Leadership;
}

/** Kubernetes: every node one of the cluster, every process a pod, and the registry in the API server. */
export class KubernetesKind implements PlatformKind {
  readonly hasDemo = false;
  readonly #options: KubernetesOptions;
  readonly #log: Log;
  readonly #now: () => Date;
  #api: KubeClient | undefined;
  #opened: Opened | undefined;
  #platform: KubernetesPlatform | undefined;
  #companions: readonly { close(): Promise<void> }[] = [];

  constructor(options: KubernetesOptions, { log, now }: Surroundings) {
    this.#options = options;
    this.#log = log;
    this.#now = now;
  }

  get place(): string {
    return `namespace ${this.#options.namespace}, pod ${this.#options.podName}`;
  }

  get leadership(): Leadership | undefined {
    return this.#opened?.leadership;
  }

  async open(): Promise<void> {
    this.#api = await connectKube();
  }

  async readRecords(): Promise<Records> {
    const { namespace, nodeSelector, dataRoot } = this.#options;
    const api = this.#client;
    await this.#whenServed();
    const [volumes, rules, nodes] = [api.inform(VOLUMES), api.inform(RULES), api.inform(NODES)];
    const kubeStore = await openKubeStore({
      ...{ api, namespace, nodeSelector, volumes, rules, nodes, log: this.#log },
    });
    const store = new SharedStore(kubeStore);
    const registry = new Registry(store);
    const [token, images, registryUrl] = await Promise.all([
      openTokenSecret(api, namespace),
      findImages(api, this.#options),
      findRegistryUrl(api, namespace),
    ]);
    const { installationId } = registry;
    const context = { namespace, installationId, images, dataRoot, registryUrl };
    this.#opened = { context, store, volumes, rules, nodes, ...this.#contend() };
    return { registry, token };
  }

  make({ registry, log, onChange }: Ground): KubernetesPlatform {
    const { context, nodes: clusterNodes } = this.#requireOpened();
    this.#platform = new KubernetesPlatform({
      ...context,
      ...{ api: this.#client, clusterNodes, log, onChange },
      nodes: () => registry.nodes,
      wanted: () => processesByKey(registry.list()),
      onPrepared: (node) => registry.changeNode(node, { isPrepared: true }),
    });
    return this.#platform;
  }

  async whenAddressed(): Promise<void> {
    await this.#platform?.whenAddressed();
  }

  async survey(): Promise<void> {
    assert(this.#platform !== undefined, 'made before it looks around');
    await Promise.all([labelLeader(this.#client, this.#options), this.#platform.open()]);
  }

  accompany(installation: Installation): void {
    const { store, volumes, rules, nodes } = this.#requireOpened();
    store.subscribeToOthers(({ before, after }) => {
      const change = { before: before.membership, after: after.membership };
      installation.tellMembership(change, after);
    });
    const { namespace, podName, provisionerName } = this.#options;
    const common = { api: this.#client, volumes, podName, now: this.#now, log: this.#log };
    this.#companions = [
      startOperator({ ...common, installation, rules, nodes, namespace }),
      startProvisioner({ ...common, provisionerName }),
    ];
  }

  async dismiss(): Promise<void> {
    await Promise.all(this.#companions.map((companion) => companion.close()));
  }

  async close(): Promise<void> {
    await this.#opened?.election.close();
    this.#api?.close();
  }

  /** A pod that ended instead would be started again ever more rarely, after up to five minutes. */
  async #whenServed(): Promise<void> {
    for (let isTold = false; ; isTold = true) {
      try {
        await this.#client.get(NAMESPACES, { name: 'kube-system' });
        return;
      } catch (error) {
        if (!(error instanceof KeelsonError) || error.code !== 'UNAVAILABLE') throw error;
        if (!isTold) this.#log.warn('waiting for the API server', { reason: error.message });
        await pause(RETRY_MS);
      }
    }
  }

  #contend(): Pick<Opened, 'election' | 'leadership'> {
    const { namespace, podName } = this.#options;
    const gained = Promise.withResolvers<void>();
    const lost = Promise.withResolvers<never>();
    lost.promise.catch(() => undefined); // whoever starts us listens
    const election = new LeaderElection({
      ...{ api: this.#client, log: this.#log, now: this.#now },
      lease: { namespace, name: NAMES.leader },
      // A container that was started again in this pod is another one.
      candidate: `${podName}_${randomBytes(4).toString('hex')}`,
      onLost: (holder) => {
        const message = `pod ${podName}: ${podOf(holder)} leads instead of it; it starts again to follow`;
        lost.reject(new KeelsonError('FAILED_PRECONDITION', message));
      },
    });
    // It is closed before it leads: then nobody waits any more.
    election.whenLeading().then(gained.resolve, () => undefined);
    return {
      election,
      leadership: {
        ...{ gained: gained.promise, lost: lost.promise },
        get isGained() {
          return election.isLeading;
        },
        get leader() {
          return election.holder === undefined ? undefined : podOf(election.holder);
        },
      },
    };
  }

  get #client(): KubeClient {
    assert(this.#api !== undefined, 'a platform is opened before it is used');
    return this.#api;
  }

  #requireOpened(): Opened {
    assert(this.#opened !== undefined, 'records are read before anything is made');
    return this.#opened;
  }
}

/** As the Lease has it: the pod, and which start of its container. */
function podOf(holder: string): string {
  return `pod ${holder.replace(/_[0-9a-f]*$/, '')}`;
}
