import { KeelsonError } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Informer, KubeApi } from '../kubernetes/kube-api.ts';
import type {
  ConfigMap,
  KubeNode,
  RuleObject,
  Secret,
  VolumeObject,
} from '../kubernetes/objects.ts';
import { CONFIG_MAPS, NAMESPACES, SECRETS } from '../kubernetes/resources.ts';
import type { NodeRecord } from '../model/node.ts';
import { type Rule, whyOtherRule } from '../model/rule.ts';
import { addressOf, type VolumeRecord } from '../model/volume.ts';
import { MANAGED, NAMES } from '../platforms/kubernetes/names.ts';
import { nodeRecords } from './kube-nodes.ts';
import { OtherWrites } from './kube-other-writes.ts';
import { readRuleObject } from './kube-spec.ts';
import { canonicalJson, KUBE_SLOT_LIMIT } from './kube-state.ts';
import { VolumeWrites } from './kube-volume-writes.ts';
import { KubeVolumes } from './kube-volumes.ts';
import type { State } from './state.ts';
import type { StateStore } from './state-store.ts';

export interface KubeStoreOptions {
  readonly api: KubeApi;
  /** The system namespace. */
  readonly namespace: string;
  /** Labels of the nodes that take copies; undefined: all but those that are tainted. */
  readonly nodeSelector: Readonly<Record<string, string>> | undefined;
  /** Of all namespaces. Whoever subscribes later sees a change when the store has taken it in. */
  readonly volumes: Informer<VolumeObject>;
  readonly rules: Informer<RuleObject>;
  readonly nodes: Informer<KubeNode>;
  readonly log: Log;
}

/** Volumes that are written at the same time, when one change is about many. */
const MAX_WRITES = 8;

/** The namespace that every cluster has for as long as it exists. */
const CLUSTER = { name: 'kube-system' };

/**
 * Reads the state that a cluster has; from then on it is as the API server tells of it.
 *
 * Errors: UNAVAILABLE; FAILED_PRECONDITION when it may not be read.
 */
export async function openKubeStore(options: KubeStoreOptions): Promise<KubeStore> {
  const { api, namespace } = options;
  const cluster = await api.get(NAMESPACES, CLUSTER);
  const uid = cluster?.metadata.uid;
  if (uid === undefined) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `namespace ${CLUSTER.name}: expected it, found none`,
    );
  }
  const uses = api.inform(CONFIG_MAPS, { namespace, name: NAMES.nodes });
  const secrets = api.inform(SECRETS, { namespace, labels: MANAGED });
  const installationId = uid.replaceAll('-', '');
  const store = new KubeStore(options, { uses, secrets, installationId });
  await store.open();
  return store;
}

interface Found {
  readonly uses: Informer<ConfigMap>;
  readonly secrets: Informer<Secret>;
  readonly installationId: string;
}

/** A rule as it was read from its object. */
interface KnownRule {
  readonly uid: string;
  readonly generation: number;
  readonly rule: Rule;
}

/** The state in the Kubernetes API server, which all orchestrators of a cluster share. */
export class KubeStore implements StateStore {
  readonly #options: KubeStoreOptions;
  readonly #found: Found;
  readonly #volumes: KubeVolumes;
  readonly #volumeWrites: VolumeWrites;
  readonly #otherWrites: OtherWrites;
  readonly #listeners = new Set<(before: State, after: State) => void>();
  readonly #rules = new Map<string, KnownRule>();
  #state: State;
  #isOpen = false;

  constructor(options: KubeStoreOptions, found: Found) {
    this.#options = options;
    this.#found = found;
    const { api, namespace: systemNamespace, volumes, rules, nodes, log } = options;
    const { secrets, uses, installationId } = found;
    const common = { api, systemNamespace, volumes, secrets };
    this.#volumes = new KubeVolumes({ ...common, log, onChange: () => this.#changed() });
    this.#volumeWrites = new VolumeWrites({ ...common, known: this.#volumes });
    this.#otherWrites = new OtherWrites({ api, systemNamespace, rules, nodes, uses });
    for (const informer of [rules, nodes, uses]) informer.subscribe(() => this.#changed());
    this.#state = {
      ...{ installationId, nodes: [], rules: [], startedInstances: [] },
      ...{ volumes: new Map(), faults: new Map() },
    };
  }

  /** Before anybody uses it. */
  async open(): Promise<void> {
    const { rules, nodes } = this.#options;
    const { uses } = this.#found;
    await Promise.all([rules.ready, nodes.ready, uses.ready, this.#volumes.open()]);
    this.#isOpen = true;
    this.#changed();
  }

  get state(): State {
    return this.#state;
  }

  get slotLimit(): number {
    return KUBE_SLOT_LIMIT;
  }

  /**
   * Errors: as StateStore; UNAVAILABLE, nobody knows what has changed: the server will tell.
   * FAILED_PRECONDITION for what is Kubernetes' to decide, INVALID_ARGUMENT for what it refuses: nothing
   * has changed.
   *
   * Instances that were started are not kept: of a pod the API server knows what became of it.
   */
  async write(before: State, after: State): Promise<void> {
    await this.#otherWrites.writeNodes(before.nodes, after.nodes);
    await this.#otherWrites.writeRules(before.rules, after.rules);
    const addresses = [...new Set([...before.volumes.keys(), ...after.volumes.keys()])].filter(
      (address) => before.volumes.get(address) !== after.volumes.get(address),
    );
    for (let start = 0; start < addresses.length; start += MAX_WRITES) {
      const writes = addresses
        .slice(start, start + MAX_WRITES)
        .map((address) =>
          this.#volumeWrites.write(
            address,
            before.volumes.get(address),
            after.volumes.get(address),
          ),
        );
      throwFirst(await Promise.allSettled(writes));
    }
  }

  async refresh(address: string): Promise<void> {
    await this.#volumes.refresh(address);
  }

  checkUsable(): void {
    // What is written is written whole, and what is not is known to be open.
  }

  subscribe(listener: (before: State, after: State) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#volumes.close();
    this.#found.uses.close();
    this.#found.secrets.close();
  }

  #changed(): void {
    if (!this.#isOpen) return;
    const before = this.#state;
    const volumes = this.#volumes.records();
    const nodes = this.#readNodes(volumes);
    this.#state = {
      ...before,
      ...{ volumes, faults: this.#volumes.faults(), rules: this.#readRules() },
      nodes: canonicalJson(nodes) === canonicalJson(before.nodes) ? before.nodes : nodes,
    };
    for (const listener of this.#listeners) listener(before, this.#state);
  }

  #readNodes(volumes: ReadonlyMap<string, VolumeRecord>): NodeRecord[] {
    const holders = [...volumes.values()].flatMap(({ membership, removed }) => [
      ...Object.values(membership.copies).map(({ node }) => node),
      ...removed.map(({ node }) => node),
    ]);
    return nodeRecords({
      nodes: this.#options.nodes.all(),
      uses: this.#found.uses.get({ namespace: this.#options.namespace, name: NAMES.nodes }),
      selector: this.#options.nodeSelector,
      holders: new Set(holders),
    });
  }

  /** Those that could be read; each the same one for as long as its object says the same. */
  #readRules(): Rule[] {
    const rules = this.#options.rules
      .all()
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .flatMap((object) => this.#readRule(object) ?? []);
    return rules.sort((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1));
  }

  #readRule(object: RuleObject): Rule | undefined {
    const { namespace = '', name, uid = '', generation = 0 } = object.metadata;
    const address = addressOf({ namespace, name });
    const known = this.#rules.get(address);
    if (known?.uid === uid && known.generation === generation) return known.rule;
    try {
      const read = readRuleObject(object);
      const isSame = known !== undefined && whyOtherRule(known.rule, read) === undefined;
      const rule = isSame ? known.rule : read;
      this.#rules.set(address, { uid, generation, rule });
      return rule;
    } catch (error) {
      if (!(error instanceof KeelsonError)) throw error; // else its conditions say why
      // What it said before stays in force: a slip of the pen must not take copies away.
      return known?.uid === uid ? known.rule : undefined;
    }
  }
}

/** What is no conflict first: a conflict is decided anew, which may hide it. */
function throwFirst(results: readonly PromiseSettledResult<void>[]): void {
  const errors = results.flatMap((result): unknown[] =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  if (errors.length === 0) return;
  const isConflict = (error: unknown) => error instanceof KeelsonError && error.code === 'CONFLICT';
  throw errors.find((error) => !isConflict(error)) ?? errors[0];
}
