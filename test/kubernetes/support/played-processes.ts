import { createServer, type Server } from 'node:http';
import { HttpRegistry } from '../../../controller/io/registry-client.ts';
import type { Membership } from '../../../controller/protocol/membership.ts';
import type { Registration } from '../../../controller/protocol/registration.ts';
import type { ControllerStatus } from '../../../controller/protocol/status.ts';
import { targetNameOf } from '../../../controller/protocol/target-name.ts';
import type { KubeApi } from '../../../orchestrator/kubernetes/kube-api.ts';
import type { Pod } from '../../../orchestrator/kubernetes/objects.ts';
import { PODS, SECRETS, SERVICES } from '../../../orchestrator/kubernetes/resources.ts';
import { LABELS } from '../../../orchestrator/platforms/kubernetes/names.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { CONTROLLER_ADMIN_PORT, REPLICA_ADMIN_PORT } from '../../../replica/common/limits.ts';
import { eventually } from '../../support/child.ts';

const RETRY_MS = 500;

/**
 * What controllers and replicas do that an orchestrator sees, without any volume: every controller
 * whose pod runs registers, finds all its copies as they should be, waits for changes and answers at
 * its admin port.
 */
export class PlayedProcesses {
  readonly #api: KubeApi;
  readonly #namespace: string;
  readonly #registryUrl: string;
  readonly #servers: Server[] = [];
  readonly #closing = new AbortController();
  /** By pod's uid: what a controller in it knows. */
  readonly #known = new Map<string, Registration>();
  /** The uid of the pod behind an address, of a Service or its own. */
  readonly #podAt = new Map<string, string>();

  constructor(api: KubeApi, options: { namespace: string; registryUrl: string }) {
    this.#api = api;
    this.#namespace = options.namespace;
    this.#registryUrl = options.registryUrl;
  }

  /** All addresses of pods and Services must lead to this machine. */
  async start(): Promise<void> {
    const { promise: controllers, resolve } = Promise.withResolvers<void>();
    const admin = createServer((request, response) => {
      const uid = this.#podAt.get(request.socket.localAddress ?? '');
      const registration = uid === undefined ? undefined : this.#known.get(uid);
      if (registration === undefined) response.writeHead(503).end();
      else response.end(JSON.stringify(statusOf(registration)));
    });
    admin.listen(CONTROLLER_ADMIN_PORT, '0.0.0.0', () => resolve());
    const replicas = createServer((_, response) => response.end('{}'));
    replicas.listen(REPLICA_ADMIN_PORT, '0.0.0.0');
    this.#servers.push(admin, replicas);
    await controllers;
    const pods = this.#api.inform(PODS, { namespace: this.#namespace });
    pods.subscribe(({ before, after }) => {
      const isNew = before?.status?.podIP === undefined && after?.status?.podIP !== undefined;
      if (isNew && after.metadata.labels?.[LABELS.role] === 'controller') void this.#play(after);
    });
    await pods.ready;
  }

  stop(): void {
    this.#closing.abort();
    for (const server of this.#servers) server.close();
  }

  /** A controller's life: takes over, says how its copies are, waits for changes. */
  async #play(pod: Pod): Promise<void> {
    const { uid = '', labels = {} } = pod.metadata;
    const registry = await this.#registryOf(pod);
    let registration = await this.#ask(() => registry.read());
    if (registration === undefined) return;
    const portal = await this.#portalOf(pod);
    this.#podAt.set(portal, uid);
    this.#podAt.set(pod.status?.podIP ?? '', uid);
    const { membership } = registration;
    const controller = { instanceId: `${uid}-1`, address: `${portal}:3260` };
    const { version, epoch, generation } = membership;
    const taken = await registry.change({
      ...{ ...membership, controller },
      ...{ version: version + 1, epoch: epoch + 1, generation: generation + 1 },
    });
    if (taken?.controller?.instanceId === controller.instanceId) {
      await registry.change(withCopies(taken));
    }
    const { signal } = this.#closing;
    for (let revision = -1; registration !== undefined && !signal.aborted; ) {
      this.#known.set(uid, registration);
      revision = registration.revision;
      registration = await this.#ask(() => registry.readAfter(revision, signal));
    }
    if (labels[LABELS.volumeId] !== undefined) this.#known.delete(uid);
  }

  /** undefined: this has ended. An orchestrator may be away for a while. */
  async #ask(question: () => Promise<Registration>): Promise<Registration | undefined> {
    while (!this.#closing.signal.aborted) {
      try {
        return await question();
      } catch (error) {
        if (!(error instanceof KeelsonError)) throw error;
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
    return undefined;
  }

  async #registryOf({ metadata }: Pod): Promise<HttpRegistry> {
    const { [LABELS.volumeId]: volumeId = '' } = metadata.labels ?? {};
    const { [LABELS.volume]: name = '', [LABELS.volumeNamespace]: namespace = '' } =
      metadata.labels ?? {};
    const labels = { [LABELS.volumeId]: volumeId };
    const [object] = await this.#api.list(SECRETS, { namespace: this.#namespace, labels });
    const secret = Buffer.from(object?.data?.secret ?? '', 'base64').toString();
    return new HttpRegistry({
      ...{ url: this.#registryUrl, namespace, name },
      secret: Buffer.from(secret, 'hex'),
    });
  }

  async #portalOf({ metadata }: Pod): Promise<string> {
    const { [LABELS.volumeId]: volumeId = '' } = metadata.labels ?? {};
    const labels = { [LABELS.volumeId]: volumeId, [LABELS.role]: 'controller' };
    const query = { namespace: this.#namespace, labels };
    return eventually(`volume ${volumeId} has an address`, async () => {
      const [service] = await this.#api.list(SERVICES, query);
      return service?.spec?.clusterIP;
    });
  }
}

/** All copies were formatted and are in sync. */
function withCopies(membership: Membership): Membership {
  const copies = Object.entries(membership.copies).map(([replicaId, copy]) => [
    replicaId,
    copy.dataId === null ? { ...copy, dataId: `data-of-${replicaId}`, session: 1 } : copy,
  ]);
  return {
    ...{ ...membership, version: membership.version + 1 },
    copies: Object.fromEntries(copies) as Membership['copies'],
  };
}

function statusOf({ volume, membership }: Registration): ControllerStatus {
  const { controller, epoch, generation, copies } = membership;
  const { address: portal = '', instanceId = '' } = controller ?? {};
  return {
    ...{ volume: `${volume.namespace}/${volume.name}`, instanceId, epoch, generation },
    ...{ health: 'healthy', lz4: 'none' },
    target: { name: targetNameOf(volume), portal, sessions: 0, chap: 'none' },
    copies: Object.entries(copies).map(([replicaId, { node, state }], index) => ({
      ...{ replicaId, node, state, isConnected: true, isPrimary: index === 0 },
    })),
  };
}
