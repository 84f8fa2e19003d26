import { randomBytes } from 'node:crypto';
import {
  type Membership,
  makeInitialMembership,
  whyInvalidChange,
} from '../../controller/protocol/membership.ts';
import type { Registration } from '../../controller/protocol/registration.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { REPLICATION_PORT } from '../../replica/common/limits.ts';
import { parseJson } from '../../replica/common/validate.ts';
import { freeSlot, MAX_SLOTS, nodeNames, replicaHost } from '../model/layout.ts';
import { addressOf, type VolumeRecord, type VolumeRequest } from '../model/volume.ts';
import { type NodeLoad, placeCopies } from '../plan/placement.ts';
import { decodeState, encodeState, type State } from './state.ts';
import { StateFile } from './state-file.ts';

/** A compare-and-swap that lost: the caller reads `current` and decides anew. */
export type MembershipChange =
  | { readonly ok: true; readonly before: Membership; readonly after: Membership }
  | { readonly ok: false; readonly reason: string; readonly current: Membership };

/**
 * Desired volumes and their membership records. Changes happen one after the other, each durable
 * before it is visible; reads come from memory.
 *
 * Errors: every change may throw NO_SPACE (nothing changed) or IO_FAILED (nothing works any more).
 */
export class Registry {
  readonly #file: StateFile;
  #state: State;
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(file: StateFile, state: State) {
    this.#file = file;
    this.#state = state;
  }

  /** Errors: CORRUPT, IO_FAILED. */
  static async open(root: string, defaultNodeCount: number): Promise<Registry> {
    const empty = encodeState({ nodeCount: defaultNodeCount, volumes: new Map() });
    const file = await StateFile.open(root, empty);
    return new Registry(file, decodeState(parseJson(file.json, 'state')));
  }

  get nodeCount(): number {
    return this.#state.nodeCount;
  }

  get(address: string): VolumeRecord | undefined {
    return this.#state.volumes.get(address);
  }

  /** Errors: NOT_FOUND. */
  require(address: string): VolumeRecord {
    const record = this.get(address);
    if (record === undefined) {
      throw new KeelsonError('NOT_FOUND', `volume ${address} does not exist`);
    }
    return record;
  }

  /** Sorted by address. */
  list(): VolumeRecord[] {
    return [...this.#state.volumes.values()].sort((a, b) =>
      addressOf(a.spec) < addressOf(b.spec) ? -1 : 1,
    );
  }

  nodeLoads(): NodeLoad[] {
    return loadsOf(this.#state);
  }

  /** Grows, or shrinks to nodes that hold no copies. Errors: FAILED_PRECONDITION. */
  setNodeCount(nodeCount: number): Promise<void> {
    return this.#change((state) => {
      const left = loadsOf(state).findLast(({ copyCount }) => copyCount > 0);
      if (left !== undefined && !nodeNames(nodeCount).includes(left.node)) {
        throw new KeelsonError(
          'FAILED_PRECONDITION',
          `start with ${nodeCount} nodes: ${left.node} holds ${left.copyCount} copies; ` +
            'remove their volumes first, or start with more nodes',
        );
      }
      return { ...state, nodeCount };
    });
  }

  /**
   * Errors: ALREADY_EXISTS; FAILED_PRECONDITION when there are fewer nodes than copies;
   * NO_SPACE when every loopback network is taken.
   */
  async create(request: VolumeRequest): Promise<VolumeRecord> {
    const address = addressOf(request);
    await this.#change((state) => {
      if (state.volumes.has(address)) {
        throw new KeelsonError('ALREADY_EXISTS', `create volume ${address}: it exists`);
      }
      return withVolume(state, makeRecord(state, request));
    });
    return this.require(address);
  }

  async markDeleting(address: string): Promise<VolumeRecord> {
    await this.#change((state) =>
      withVolume(state, { ...recordIn(state, address), isDeleting: true }),
    );
    return this.require(address);
  }

  remove(address: string): Promise<void> {
    return this.#change((state) => {
      const volumes = new Map(state.volumes);
      volumes.delete(address);
      return { ...state, volumes };
    });
  }

  /** What a controller needs to know. Errors: NOT_FOUND; IO_FAILED when the disk cannot be trusted. */
  registration(address: string): Registration {
    this.#file.checkUsable();
    const { spec, slot, membership } = this.require(address);
    return {
      volume: spec,
      membership,
      addresses: Object.fromEntries(
        Object.entries(membership.copies).map(([replicaId, { node }]) => [
          replicaId,
          { host: replicaHost(slot, node), port: REPLICATION_PORT },
        ]),
      ),
    };
  }

  /** The compare-and-swap of design section 3. Errors: NOT_FOUND. */
  async changeMembership(address: string, next: Membership): Promise<MembershipChange> {
    let outcome: MembershipChange | undefined;
    await this.#change((state) => {
      const record = recordIn(state, address);
      const current = record.membership;
      const reason = whyInvalidChange(current, next) ?? whyMoved(current, next);
      if (reason !== undefined) {
        outcome = { ok: false, reason, current };
        return state;
      }
      outcome = { ok: true, before: current, after: next };
      return withVolume(state, { ...record, membership: next });
    });
    if (outcome === undefined) throw new Error('a change ran without an outcome');
    return outcome;
  }

  /** Resolves when every change asked for so far is done. */
  async settle(): Promise<void> {
    await this.#lastChange.catch(() => undefined);
  }

  #change(edit: (state: State) => State): Promise<void> {
    const change = this.#lastChange
      .catch(() => undefined) // its own caller heard of it
      .then(async () => {
        const next = edit(this.#state);
        if (next === this.#state) return;
        await this.#file.write(encodeState(next));
        this.#state = next;
      });
    this.#lastChange = change;
    return change;
  }
}

function makeRecord(state: State, request: VolumeRequest): VolumeRecord {
  const { namespace, name, sizeBytes, policy, labels } = request;
  const slot = freeSlot(new Set([...state.volumes.values()].map((record) => record.slot)));
  if (slot === undefined) {
    throw new KeelsonError(
      'NO_SPACE',
      `create volume ${addressOf(request)}: expected at most ${MAX_SLOTS} volumes; remove one first`,
    );
  }
  const nodes = placeCopies(policy.replicas + 1, loadsOf(state));
  return {
    spec: { id: randomBytes(16).toString('hex'), namespace, name, sizeBytes, ...policy },
    labels,
    slot,
    secret: randomBytes(32).toString('hex'),
    isDeleting: false,
    membership: makeInitialMembership(
      nodes.map((node, index) => ({ replicaId: `r${index + 1}`, node })),
    ),
  };
}

/** Where a copy lives is the orchestrator's decision (N1): a controller only reports its state. */
function whyMoved(current: Membership, next: Membership): string | undefined {
  const describe = ({ copies }: Membership) =>
    Object.entries(copies)
      .map(([replicaId, { node }]) => `${replicaId} on ${node}`)
      .sort()
      .join(', ');
  const [has, asked] = [describe(current), describe(next)];
  return has === asked ? undefined : `copies: expected ${has}, got ${asked}`;
}

function loadsOf(state: State): NodeLoad[] {
  const copies = [...state.volumes.values()].flatMap(({ membership }) =>
    Object.values(membership.copies),
  );
  return nodeNames(state.nodeCount).map((node) => ({
    node,
    copyCount: copies.filter((copy) => copy.node === node).length,
  }));
}

function recordIn(state: State, address: string): VolumeRecord {
  const record = state.volumes.get(address);
  if (record === undefined) {
    throw new KeelsonError('NOT_FOUND', `volume ${address} does not exist`);
  }
  return record;
}

function withVolume(state: State, record: VolumeRecord): State {
  return { ...state, volumes: new Map(state.volumes).set(addressOf(record.spec), record) };
}
