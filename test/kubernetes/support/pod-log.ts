import { replicaName } from '../../../orchestrator/platforms/kubernetes/names.ts';
import { SYSTEM } from './installation.ts';
import { list } from './kubectl.ts';
import { Watch } from './watch.ts';

/** As much of a Volume as says where its copies are. */
interface VolumeObject {
  readonly status?: {
    readonly record?: {
      readonly spec?: { readonly id: string; readonly namespace: string; readonly name: string };
      readonly membership?: {
        readonly copies: Readonly<Record<string, { readonly node: string }>>;
      };
    };
  };
}

interface PodObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly nodeName?: string };
}

interface ScheduledEvent {
  readonly involvedObject: { readonly kind: string; readonly name: string };
  readonly message: string;
}

/** What a Deployment appends to its name for a pod. */
const POD_SUFFIX = /-[a-z0-9]+-[a-z0-9]+$/;
const ASSIGNED = / to (\S+)$/;

/**
 * Where every replica's pod ever was: as the API server told of pods while this watched, and as the
 * scheduler says in its events, of which the server keeps those of the last hour. Beside it where each
 * copy belongs, as the membership records have it.
 */
export class PodLog {
  readonly #watches: readonly { stop(): Promise<void> }[];
  /** `DEPLOYMENT NODE`, with the names of the pods. */
  readonly #seen = new Map<string, Set<string>>();
  /** By Deployment. */
  readonly #homes = new Map<string, string>();

  constructor() {
    const replicas = ['pods', '-n', SYSTEM, '-l', 'keelson.io/role=replica'];
    this.#watches = [
      new Watch<PodObject>(replicas, (pod) => this.#notePod(pod)),
      new Watch<VolumeObject>(['volumes.keelson.io', '-A'], (volume) => this.#learn(volume)),
    ];
  }

  /** Pods of replicas so far. */
  get podCount(): number {
    return new Set([...this.#seen.values()].flatMap((pods) => [...pods])).size;
  }

  /** Pods on another node than their copy's. What no record was ever seen of is one, too. */
  async findStrays(): Promise<string[]> {
    await this.#readEvents();
    return [...this.#seen].flatMap(([place, pods]) => {
      const [deployment = '', node] = place.split(' ');
      const home = this.#homes.get(deployment);
      return home === node ? [] : [...pods].map((pod) => `${pod} of ${home} was on ${node}`);
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.stop()));
  }

  #notePod({ metadata: { name }, spec: { nodeName } }: PodObject): void {
    if (nodeName !== undefined) this.#note(name, nodeName);
  }

  #note(pod: string, node: string): void {
    const place = `${pod.replace(POD_SUFFIX, '')} ${node}`;
    this.#seen.set(place, (this.#seen.get(place) ?? new Set()).add(pod));
  }

  #learn({ status }: VolumeObject): void {
    const { membership, spec } = status?.record ?? {};
    if (membership === undefined || spec === undefined) return; // damaged by a test
    for (const [replicaId, { node }] of Object.entries(membership.copies)) {
      this.#homes.set(replicaName(spec, replicaId), node);
    }
  }

  /** Of pods of Deployments that this has a record of: other volumes came before it watched. */
  async #readEvents(): Promise<void> {
    const events = await list<ScheduledEvent>('events', { namespace: SYSTEM });
    for (const { involvedObject, message } of events) {
      const node = ASSIGNED.exec(message)?.[1];
      const isKnown = this.#homes.has(involvedObject.name.replace(POD_SUFFIX, ''));
      if (involvedObject.kind === 'Pod' && node !== undefined && isKnown) {
        this.#note(involvedObject.name, node);
      }
    }
  }
}
