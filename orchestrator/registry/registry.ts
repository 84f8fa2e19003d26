import { type Membership, whyInvalidChange } from '../../controller/protocol/membership.ts';
import type { Registration } from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { AddressPlan } from '../model/address-plan.ts';
import type { StartedInstance } from '../model/instance.ts';
import type { Policy } from '../model/labels.ts';
import { type NodeRecord, type NodeUse, nameNodes, nextUse } from '../model/node.ts';
import type { Rule } from '../model/rule.ts';
import type { VolumeUpdate } from '../model/update.ts';
import { addressOf, placeOf, type VolumeRecord, type VolumeRequest } from '../model/volume.ts';
import type { CopyEdit } from '../plan/actions.ts';
import {
  makeRecord,
  policyFor,
  revised,
  withCopies,
  withGoneInstance,
  withoutVolume,
  withRecord,
  withStartedInstance,
  withUpdate,
} from './edits.ts';
import { FileStore } from './file-store.ts';
import { checkDrain, requireNode, withNodeUse, withoutNode } from './node-edits.ts';
import { ruleIn, withoutRule, withRule, withRulesFollowed } from './rule-edits.ts';
import type { RecordFault, State } from './state.ts';
import {
  changedVolumes,
  changesBetween,
  copyCountsOf,
  type DownNodes,
  loadsOf,
  notFound,
  type RecordChange,
  recordIn,
} from './state-reads.ts';
import type { StateStore } from './state-store.ts';

export type { DownNodes, RecordChange } from './state-reads.ts';

/** A compare-and-swap that lost: the caller reads `current` and decides anew. */
export type MembershipChange =
  | { readonly ok: true; readonly before: Membership; readonly after: Membership }
  | { readonly ok: false; readonly reason: string; readonly current: Membership };

/** Others change other things now and then, never for long. */
const MAX_TRIES = 20;

/**
 * Desired volumes and their membership records. Changes happen one after the other, each durable
 * before it is visible; reads come from memory.
 *
 * Errors: every change may throw NO_SPACE (nothing changed) or IO_FAILED (nothing works any more).
 */
export class Registry {
  readonly #store: StateStore;
  #lastChange: Promise<unknown> = Promise.resolve();
  readonly #listeners = new Set<(address: string) => void>();

  constructor(store: StateStore) {
    this.#store = store;
    store.subscribe((before, after) => this.#tell(before, after));
  }

  /** On the orchestrator's own file. Errors: CORRUPT, IO_FAILED. */
  static async open(root: string, defaultNodes: readonly string[]): Promise<Registry> {
    return new Registry(await FileStore.open(root, defaultNodes));
  }

  get installationId(): string {
    return this.#state.installationId;
  }

  get nodes(): readonly NodeRecord[] {
    return this.#state.nodes;
  }

  /** Controllers that were started and are not known to be gone. */
  get startedInstances(): readonly StartedInstance[] {
    return this.#state.startedInstances;
  }

  get(address: string): VolumeRecord | undefined {
    return this.#state.volumes.get(address);
  }

  /** Errors: NOT_FOUND. */
  require(address: string): VolumeRecord {
    return recordIn(this.#state, address);
  }

  /** Sorted by address. */
  list(): VolumeRecord[] {
    return [...this.#state.volumes.values()].sort((a, b) =>
      addressOf(a.spec) < addressOf(b.spec) ? -1 : 1,
    );
  }

  /** How many copies of all volumes each node holds, by its name. */
  copyCounts(): ReadonlyMap<string, number> {
    return copyCountsOf(this.#state);
  }

  /** Sorted by address. */
  get rules(): readonly Rule[] {
    return this.#state.rules;
  }

  /** Errors: NOT_FOUND. */
  requireRule(address: string): Rule {
    return ruleIn(this.#state, address);
  }

  /** What a volume that is asked for would be. */
  policyFor(request: VolumeRequest): Policy {
    return policyFor(request, this.#state.rules).policy;
  }

  /** Why what is declared as a volume of this address is none; undefined: it is one, or nothing. */
  faultOf(address: string): RecordFault | undefined {
    return this.#state.faults.get(address);
  }

  /** Calls `listener` with the address of every volume that was created, changed or removed. */
  subscribe(listener: (address: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds nodes, and forgets those that hold no copies. Errors: FAILED_PRECONDITION. */
  async setNodes(names: readonly string[]): Promise<void> {
    await this.#change((state) => {
      for (const [node, copyCount] of copyCountsOf(state)) {
        if (copyCount === 0 || names.includes(node)) continue;
        throw new KeelsonError(
          'FAILED_PRECONDITION',
          `start without ${node}: it holds ${copyCount} copies; start with it once more and drain ` +
            `it first: keelson node drain ${node}`,
        );
      }
      return { ...state, nodes: nameNodes(state.nodes, names) };
    });
  }

  /** Errors: NOT_FOUND. */
  async changeNode(
    name: string,
    changes: Partial<Omit<NodeRecord, 'name' | 'number'>>,
  ): Promise<void> {
    await this.#change((state) => {
      requireNode(state, name);
      const change = (node: NodeRecord) => (node.name === name ? { ...node, ...changes } : node);
      return { ...state, nodes: state.nodes.map(change) };
    });
  }

  /**
   * Changes which copies a node takes and keeps.
   *
   * Errors: NOT_FOUND; FAILED_PRECONDITION when it is to be drained, which would never end.
   */
  async useNode(name: string, change: Partial<NodeUse>, downNodes: DownNodes): Promise<void> {
    await this.#change((state) => {
      const use = requireNode(state, name);
      const next = nextUse(use, change);
      if (next.isDraining && !use.isDraining) checkDrain(state, name, loadsOf(state, downNodes));
      return withNodeUse(state, name, next);
    });
  }

  /**
   * Forgets a node that holds nothing, or when forced nothing that is in-sync; returns what that
   * changed about volumes.
   *
   * Errors: NOT_FOUND; FAILED_PRECONDITION.
   */
  removeNode(name: string, options: { isForced: boolean }): Promise<readonly RecordChange[]> {
    return this.#change((state) => withoutNode(state, name, options));
  }

  /**
   * Errors: ALREADY_EXISTS; FAILED_PRECONDITION when there are fewer nodes than copies;
   * NO_SPACE when every loopback network is taken.
   */
  async create(request: VolumeRequest, downNodes: DownNodes): Promise<VolumeRecord> {
    const address = addressOf(request);
    await this.#change((state) => {
      if (state.volumes.has(address)) {
        throw new KeelsonError('ALREADY_EXISTS', `create volume ${address}: it exists`);
      }
      const fault = state.faults.get(address);
      if (fault !== undefined) {
        throw new KeelsonError(
          'ALREADY_EXISTS',
          `create volume ${address}: it is declared already: ${fault.message}`,
        );
      }
      return this.#withNewRecord(state, request, downNodes);
    });
    return this.require(address);
  }

  /**
   * Gives what is declared as a volume where the state is kept a record, unless it has one by now.
   *
   * Errors: NOT_FOUND; CORRUPT when it had a record; otherwise as `create`.
   */
  async admit(
    request: VolumeRequest,
    downNodes: DownNodes,
  ): Promise<{ record: VolumeRecord; isNew: boolean }> {
    const address = addressOf(request);
    let isNew = false;
    await this.#change((state) => {
      isNew = !state.volumes.has(address);
      if (!isNew) return state;
      const fault = state.faults.get(address);
      if (fault === undefined) throw notFound(address);
      if (fault.kind === 'damaged') throw new KeelsonError('CORRUPT', fault.message);
      return this.#withNewRecord(state, request, downNodes);
    });
    return { record: this.require(address), isNew };
  }

  /** Errors: NOT_FOUND; INVALID_ARGUMENT; FAILED_PRECONDITION when there are too few nodes. */
  update(address: string, update: VolumeUpdate, downNodes: DownNodes): Promise<RecordChange> {
    return this.#edit(address, (record, state) =>
      withUpdate(record, update, { rules: state.rules, nodes: loadsOf(state, downNodes) }),
    );
  }

  /**
   * Makes every volume what the rules say, which somebody else may have changed; returns what that
   * changed.
   *
   * @param unclear namespaces with a rule of which nobody knows what it says: nothing changes there
   */
  followRules(unclear: ReadonlySet<string> = new Set()): Promise<readonly RecordChange[]> {
    return this.#change((state) => withRulesFollowed(state, unclear));
  }

  /** Makes or replaces a rule; returns what that changed about volumes. Errors: NO_SPACE. */
  setRule(rule: Rule): Promise<readonly RecordChange[]> {
    return this.#change((state) => withRule(state, rule));
  }

  /** As `setRule`. Errors: NOT_FOUND. */
  removeRule(address: string): Promise<readonly RecordChange[]> {
    return this.#change((state) => withoutRule(state, address));
  }

  /** Errors: NOT_FOUND. */
  markDeleting(address: string): Promise<RecordChange> {
    return this.#edit(address, (record) =>
      record.isDeleting ? record : { ...record, isDeleting: true },
    );
  }

  async remove(address: string): Promise<void> {
    await this.#change((state) => withoutVolume(state, address));
  }

  /**
   * What a controller needs to know, with all that was reported before this call: to whichever
   * orchestrator, unless `mayLag`.
   *
   * Errors: NOT_FOUND; IO_FAILED when the disk cannot be trusted; UNAVAILABLE.
   */
  async registration(
    address: string,
    plan: AddressPlan,
    { mayLag } = { mayLag: false },
  ): Promise<Registration> {
    await this.settle();
    this.#store.checkUsable();
    if (!mayLag) await this.#store.refresh(address);
    const record = this.require(address);
    const { spec, membership, revision, leaving, goneInstances, chap } = record;
    const volume = { ...spec, replicas: record.establishedReplicas };
    const addresses = Object.entries(membership.copies).map(([replicaId, { node }]) => [
      replicaId,
      plan.replica(placeOf(record), { replicaId, node }),
    ]);
    return {
      ...{ revision, volume, membership, leaving, goneInstances, chap },
      addresses: Object.fromEntries(addresses),
    };
  }

  /** The compare-and-swap of design section 3, for controllers. Errors: NOT_FOUND. */
  async changeMembership(address: string, next: Membership): Promise<MembershipChange> {
    const change = await this.#tryMembership(address, next);
    if (change.ok) return change;
    // Another orchestrator may have stored what this one has not seen yet: a controller must never be
    // refused on account of a record that is older than the one it knows.
    await this.#store.refresh(address);
    return this.#tryMembership(address, next);
  }

  async #tryMembership(address: string, next: Membership): Promise<MembershipChange> {
    let refusal: string | undefined;
    const { before, after } = await this.#edit(address, (record) => {
      refusal = whyInvalidChange(record.membership, next);
      return refusal === undefined ? { ...record, membership: next } : record;
    });
    return refusal === undefined
      ? { ok: true, before: before.membership, after: after.membership }
      : { ok: false, reason: refusal, current: before.membership };
  }

  /** Changes which copies there are, if the membership still has this version. Errors: CONFLICT. */
  changeCopies(
    address: string,
    version: number,
    edits: readonly CopyEdit[],
  ): Promise<RecordChange> {
    return this.#edit(address, (record) => withCopies(record, version, edits));
  }

  /** The directory of a removed copy is erased. Errors: NOT_FOUND. */
  forgetRemoved(address: string, replicaId: string): Promise<RecordChange> {
    return this.#edit(address, (record) => ({
      ...record,
      removed: record.removed.filter((copy) => copy.replicaId !== replicaId),
    }));
  }

  /** The process of this controller has begun. No controller learns of it: no listener is told. */
  async addStartedInstance(instance: StartedInstance): Promise<void> {
    await this.#change((state) => withStartedInstance(state, instance));
  }

  /** The process of this controller has ended. Errors: NOT_FOUND. */
  addGoneInstance(address: string, instanceId: string): Promise<RecordChange> {
    return this.#edit(address, (record) => withGoneInstance(record, instanceId));
  }

  /** Resolves when every change asked for so far is done. */
  async settle(): Promise<void> {
    await this.#lastChange.catch(() => undefined);
  }

  #withNewRecord(state: State, request: VolumeRequest, downNodes: DownNodes): State {
    const nodes = loadsOf(state, downNodes);
    const { slotLimit } = this.#store;
    return withRecord(state, makeRecord(state, request, { nodes, slotLimit }));
  }

  /** Changes one volume's record. `edit` returns the same record when there is nothing to change. */
  async #edit(
    address: string,
    edit: (record: VolumeRecord, state: State) => VolumeRecord,
  ): Promise<RecordChange> {
    let change: RecordChange | undefined;
    await this.#change((state) => {
      const before = recordIn(state, address);
      const after = revised(before, edit(before, state));
      change = { before, after };
      return after === before ? state : withRecord(state, after);
    });
    if (change === undefined) throw new Error('a change ran without an outcome');
    return change;
  }

  /** Returns what it changed about volumes that were there before and are after. */
  #change(edit: (state: State) => State): Promise<readonly RecordChange[]> {
    const change = this.#lastChange
      .catch(() => undefined) // its own caller heard of it
      .then(() => this.#changeNow(edit));
    this.#lastChange = change;
    return change;
  }

  async #changeNow(edit: (state: State) => State): Promise<readonly RecordChange[]> {
    for (let triesLeft = MAX_TRIES; ; triesLeft -= 1) {
      const before = this.#store.state;
      const after = edit(before);
      if (after === before) return [];
      try {
        await this.#store.write(before, after);
      } catch (error) {
        const isConflict = error instanceof KeelsonError && error.code === 'CONFLICT';
        if (isConflict && triesLeft > 0) continue; // decided anew, on what is there now
        throw error;
      }
      this.#tell(before, after);
      return changesBetween(before, after);
    }
  }

  #tell(before: State, after: State): void {
    for (const address of changedVolumes(before, after)) {
      for (const listener of this.#listeners) listener(address);
    }
  }

  get #state(): State {
    return this.#store.state;
  }
}
