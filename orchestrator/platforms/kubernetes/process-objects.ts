import { KeelsonError } from '../../../replica/common/errors.ts';
import type { Change, Informer, KubeApi } from '../../kubernetes/kube-api.ts';
import type { Deployment, KubeObject, Pod, Service } from '../../kubernetes/objects.ts';
import { DEPLOYMENTS, PODS, type Resource, SERVICES } from '../../kubernetes/resources.ts';
import type { ProcessSpec } from '../../plan/processes.ts';
import { LABELS, MANAGED, type ObjectOwner, processName, readOwner } from './names.ts';
import type { Present } from './next-calls.ts';
import { type PodState, readPod } from './pod-state.ts';

/** Which process, of which volume: of an address there may have been another volume. */
export type Owner = Pick<ObjectOwner, 'volumeId' | 'key'>;

export interface ProcessObjectsOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** Something of a process has changed. */
  readonly onChange: (owner: Owner) => void;
  /** A pod of a process has changed, or is gone; told before `onChange`. */
  readonly onPod: (owner: ObjectOwner, change: Change<Pod>) => void;
  readonly onService: (change: Change<Service>) => void;
}

interface Objects {
  readonly owner: ObjectOwner;
  service: Service | undefined;
  deployment: Deployment | undefined;
  /** By name. */
  readonly pods: Map<string, PodState>;
}

/** What there is of every process, as the API server told it last. */
export class ProcessObjects {
  readonly pods: Informer<Pod>;
  readonly deployments: Informer<Deployment>;
  readonly services: Informer<Service>;
  readonly #options: ProcessObjectsOptions;
  readonly #objects = new Map<string, Objects>();
  #isReady = false;

  constructor(options: ProcessObjectsOptions) {
    this.#options = options;
    const query = { namespace: options.namespace, labels: MANAGED };
    this.pods = options.api.inform(PODS, query);
    this.deployments = options.api.inform(DEPLOYMENTS, query);
    this.services = options.api.inform(SERVICES, query);
    this.services.subscribe((change) => options.onService(change));
    this.#follow(this.services, (objects, { after }) => {
      objects.service = after;
    });
    this.#follow(this.deployments, (objects, { after }) => {
      objects.deployment = after;
    });
    this.#follow(this.pods, (objects, change) => {
      const { before, after } = change;
      const name = (after ?? before)?.metadata.name ?? '';
      if (after === undefined) objects.pods.delete(name);
      else objects.pods.set(name, readPod(after));
      options.onPod(objects.owner, change);
    });
  }

  /** Resolves once all that there is was seen. */
  async whenReady(): Promise<void> {
    await Promise.all([this.pods.ready, this.deployments.ready, this.services.ready]);
    this.#isReady = true;
  }

  /** Whether what it knows is what there is, as far as anybody can tell. */
  get isCurrent(): boolean {
    return this.#isReady && this.pods.down === undefined;
  }

  /** Whether there is a pod that is not being deleted. */
  hasPod(uid: string): boolean {
    return this.pods.all().some(({ metadata }) => {
      return metadata.uid === uid && metadata.deletionTimestamp === undefined;
    });
  }

  close(): void {
    for (const informer of [this.pods, this.deployments, this.services]) informer.close();
  }

  present(owner: Owner): Present {
    const objects = this.#objects.get(idOf(owner));
    const { service, deployment, pods } = objects ?? {};
    return { service, deployment, pods: [...(pods?.values() ?? [])] };
  }

  /** Every process of which there is anything. */
  owners(): ObjectOwner[] {
    return [...this.#objects.values()].map(({ owner }) => owner);
  }

  /** Whether a process of ours is there, or was when its node was last heard of. */
  isOnNode(node: string): boolean {
    for (const { pods } of this.#objects.values()) {
      for (const pod of pods.values()) if (pod.node === node && pod.phase !== 'ended') return true;
    }
    return false;
  }

  /**
   * Takes in what the server has now of a process's Service and Deployment, because a call has found
   * something else than was known.
   *
   * Errors: those of the API; FAILED_PRECONDITION when an object of its name is somebody else's.
   */
  async refresh(process: ProcessSpec): Promise<void> {
    await Promise.all([
      this.#refreshOne(SERVICES, this.services, process),
      this.#refreshOne(DEPLOYMENTS, this.deployments, process),
    ]);
  }

  async #refreshOne<T extends KubeObject>(
    resource: Resource<T>,
    informer: Informer<T>,
    process: ProcessSpec,
  ): Promise<void> {
    const { api, namespace } = this.#options;
    const name = { namespace, name: processName(process) };
    const object = await api.get(resource, name);
    if (object === undefined) {
      informer.noteGone(name);
      return;
    }
    if (readOwner(object.metadata.labels)?.volumeId !== process.volume.id) {
      const found = object.metadata.labels?.[LABELS.volumeId] ?? 'none';
      throw new KeelsonError(
        'FAILED_PRECONDITION',
        `${resource.kind} ${namespace}/${name.name}: expected label ${LABELS.volumeId}=${process.volume.id}, ` +
          `found ${found}; it is not ours: remove it or rename it`,
      );
    }
    informer.note(object);
  }

  #follow<T extends KubeObject>(
    informer: Informer<T>,
    take: (objects: Objects, change: Change<T>) => void,
  ): void {
    informer.subscribe((change) => {
      const { before, after } = change;
      const owner = readOwner((after ?? before)?.metadata.labels);
      if (owner === undefined) return;
      const objects = this.#objects.get(idOf(owner)) ?? newObjects(owner);
      this.#objects.set(idOf(owner), objects);
      take(objects, change);
      const { service, deployment, pods } = objects;
      if (service === undefined && deployment === undefined && pods.size === 0) {
        this.#objects.delete(idOf(owner));
      }
      this.#options.onChange(owner);
    });
  }
}

export function ownerOf({ volume, key }: ProcessSpec): Owner {
  return { volumeId: volume.id, key };
}

function newObjects(owner: ObjectOwner): Objects {
  return { owner, service: undefined, deployment: undefined, pods: new Map() };
}

function idOf({ volumeId, key }: Owner): string {
  return `${volumeId} ${key}`;
}
