import { randomBytes } from 'node:crypto';
import {
  type Membership,
  makeInitialMembership,
  makeNewCopy,
  whyInvalidPlacement,
} from '../../controller/protocol/membership.ts';
import { assert, unreachable } from '../../replica/common/assert.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import type { StartedInstance } from '../model/instance.ts';
import { freeSlot } from '../model/layout.ts';
import { type Origin, type ResolvedPolicy, resolvePolicy, showOrigin } from '../model/policy.ts';
import { type Rule, rulesOf } from '../model/rule.ts';
import { formatSize, parseSize } from '../model/size.ts';
import { updateLabels, type VolumeUpdate } from '../model/update.ts';
import {
  addressOf,
  replicaIdOf,
  type VolumeRecord,
  type VolumeRequest,
  withEstablished,
} from '../model/volume.ts';
import type { CopyEdit } from '../plan/actions.ts';
import { checkRoom, chooseNodes, type NodeLoad } from '../plan/placement.ts';
import { MAX_GONE_INSTANCES, MAX_STARTED_INSTANCES, type State } from './state.ts';

/** Changes of the state as plain functions; registry.ts makes them durable, one after the other. */

/** Errors: FAILED_PRECONDITION, NO_SPACE. */
export function makeRecord(
  state: State,
  request: VolumeRequest,
  { nodes, slotLimit }: { readonly nodes: readonly NodeLoad[]; readonly slotLimit: number },
): VolumeRecord {
  const { namespace, name, sizeBytes, labels, defaults, chap, preferredNode } = request;
  const taken = new Set([...state.volumes.values()].map((record) => record.slot));
  const slot = freeSlot(taken, slotLimit);
  if (slot === undefined) {
    throw new KeelsonError(
      'NO_SPACE',
      `create volume ${addressOf(request)}: expected at most ${slotLimit} volumes; remove one first`,
    );
  }
  const { policy, origins } = policyFor(request, state.rules);
  checkRoom(policy.replicas, nodes, new Set(), byWhom(origins.replicas));
  const places = chooseNodes(policy.replicas + 1, nodes, new Set(), preferredNode);
  const copies = places.map((node, index) => ({ replicaId: replicaIdOf(index + 1), node }));
  return {
    spec: { id: randomBytes(16).toString('hex'), namespace, name, sizeBytes, ...policy },
    labels,
    defaults,
    origins,
    slot,
    secret: randomBytes(32).toString('hex'),
    chap,
    isDeleting: false,
    membership: makeInitialMembership(copies, sizeBytes),
    establishedReplicas: policy.replicas,
    revision: 1,
    nextReplicaNumber: copies.length + 1,
    leaving: [],
    removed: [],
    goneInstances: [],
  };
}

/** The policy of a volume that is asked for or there, with these rules. */
export function policyFor(
  volume: Pick<VolumeRequest, 'namespace' | 'labels' | 'defaults'>,
  rules: readonly Rule[],
): ResolvedPolicy {
  const { labels, defaults } = volume;
  return resolvePolicy({ labels, rules: rulesOf(volume, rules), defaults });
}

/** The record with the policy that these rules make of it; the same one when that changes nothing. */
export function withPolicy(record: VolumeRecord, rules: readonly Rule[]): VolumeRecord {
  const { labels, defaults, spec } = record;
  const { policy, origins } = policyFor({ namespace: spec.namespace, labels, defaults }, rules);
  const next = { ...record, origins, spec: { ...spec, ...policy } };
  return isSame(record, next) ? record : next;
}

/** A changed record as it is stored; the same one when it is the one before. */
export function revised(before: VolumeRecord, after: VolumeRecord): VolumeRecord {
  if (after === before) return before;
  return { ...withEstablished(after), revision: before.revision + 1 };
}

/** What an update depends on besides the volume. */
export interface Surroundings {
  readonly rules: readonly Rule[];
  readonly nodes: readonly NodeLoad[];
}

/** The same record when nothing changes. Errors: INVALID_ARGUMENT, FAILED_PRECONDITION. */
export function withUpdate(
  record: VolumeRecord,
  update: VolumeUpdate,
  { rules, nodes }: Surroundings,
): VolumeRecord {
  if (record.isDeleting) {
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `update volume ${addressOf(record.spec)}: it is being deleted`,
    );
  }
  const decided = withPolicy({ ...record, labels: updateLabels(record.labels, update) }, rules);
  const { replicas } = decided.spec;
  if (replicas > record.spec.replicas) {
    checkRoom(replicas, nodes, nodesOf(record), byWhom(decided.origins.replicas));
  }
  const sizeBytes = update.size === undefined ? record.spec.sizeBytes : parseSize(update.size);
  checkSize(record, sizeBytes);
  const chap = update.chap === undefined ? record.chap : update.chap;
  const next = { ...decided, chap, spec: { ...decided.spec, sizeBytes } };
  return isSame(record, next) ? record : next;
}

/** The user knows what he asked for himself. */
function byWhom(origin: Origin): string {
  return origin.from === 'rule' || origin.from === 'defaults' ? ` by ${showOrigin(origin)}` : '';
}

/** A size that no copy was grown to yet may be taken back; what initiators have seen stays. */
function checkSize({ spec, membership }: VolumeRecord, sizeBytes: number): void {
  if (sizeBytes >= membership.sizeBytes) return;
  const [has, wanted] = [membership.sizeBytes, sizeBytes].map(formatSize);
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `update volume ${addressOf(spec)}: size: expected at least ${has}, which it has, got ${wanted}; a volume never shrinks: make a smaller one and copy`,
  );
}

/**
 * The record with other copies.
 *
 * Errors: CONFLICT when the membership is no longer the one that the edits were decided on.
 */
export function withCopies(
  record: VolumeRecord,
  version: number,
  edits: readonly CopyEdit[],
): VolumeRecord {
  const current = record.membership;
  if (current.version !== version) {
    throw new KeelsonError(
      'CONFLICT',
      `change the copies of ${addressOf(record.spec)}: expected membership version ${version}, got ${current.version}`,
    );
  }
  const edited = edits.reduce(withEdit, record);
  if (edited.membership === current) return edited;
  const membership: Membership = { ...edited.membership, version: version + 1 };
  const reason = whyInvalidPlacement(current, membership);
  assert(reason === undefined, 'the planner changes places only', { reason });
  return { ...edited, membership };
}

/** An instance that is known to be gone; the oldest are forgotten. */
export function withGoneInstance(record: VolumeRecord, instanceId: string): VolumeRecord {
  const goneInstances = [...record.goneInstances, instanceId].slice(-MAX_GONE_INSTANCES);
  return { ...record, goneInstances };
}

/** A controller that was started; the oldest are forgotten, so they never count as gone. */
export function withStartedInstance(state: State, instance: StartedInstance): State {
  const startedInstances = [...state.startedInstances, instance].slice(-MAX_STARTED_INSTANCES);
  return { ...state, startedInstances };
}

/** The state with this record of a volume. What it knows to be gone is not looked for any more. */
export function withRecord(state: State, record: VolumeRecord): State {
  const volumes = new Map(state.volumes).set(addressOf(record.spec), record);
  const startedInstances = state.startedInstances.filter(
    ({ instanceId }) => !record.goneInstances.includes(instanceId),
  );
  return { ...state, volumes, startedInstances };
}

export function withoutVolume(state: State, address: string): State {
  const volumes = new Map(state.volumes);
  volumes.delete(address);
  const startedInstances = state.startedInstances.filter(({ volume }) => volume !== address);
  return { ...state, volumes, startedInstances };
}

export function nodesOf({ membership }: VolumeRecord): Set<string> {
  return new Set(Object.values(membership.copies).map(({ node }) => node));
}

function withEdit(record: VolumeRecord, edit: CopyEdit): VolumeRecord {
  const { membership, nextReplicaNumber } = record;
  switch (edit.kind) {
    case 'add-copy': {
      const copy = { [replicaIdOf(nextReplicaNumber)]: makeNewCopy(edit.node) };
      return {
        ...record,
        nextReplicaNumber: nextReplicaNumber + 1,
        membership: { ...membership, copies: { ...membership.copies, ...copy } },
      };
    }
    case 'remove-copy': {
      const { [edit.replicaId]: gone, ...copies } = membership.copies;
      assert(gone !== undefined, 'a copy is removed once', { replica: edit.replicaId });
      return {
        ...record,
        membership: { ...membership, copies },
        leaving: record.leaving.filter((replicaId) => replicaId !== edit.replicaId),
        removed: [...record.removed, { replicaId: edit.replicaId, node: gone.node }],
      };
    }
    case 'set-leaving':
      return { ...record, leaving: edit.replicaIds };
    default:
      return unreachable(edit, 'copy edit');
  }
}

function isSame(a: VolumeRecord, b: VolumeRecord): boolean {
  const show = ({ spec, labels, origins, chap }: VolumeRecord) =>
    JSON.stringify([spec, Object.entries(labels).sort(), origins, chap]);
  return show(a) === show(b);
}
