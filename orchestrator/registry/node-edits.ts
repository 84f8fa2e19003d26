import { KeelsonError } from '../../replica/common/errors.ts';
import type { NodeUse } from '../model/node.ts';
import { addressOf, type VolumeRecord } from '../model/volume.ts';
import type { NodeLoad } from '../plan/placement.ts';
import { revised, withCopies } from './edits.ts';
import type { State } from './state.ts';

/** Changes of the nodes, and of the volumes with copies there, as plain functions. */

/** So many volumes are named in one sentence. */
const MAX_NAMED = 5;

/** Errors: NOT_FOUND. */
export function withNodeUse(state: State, name: string, use: NodeUse): State {
  requireNode(state, name);
  const nodes = state.nodes.map((node) => (node.name === name ? { ...node, ...use } : node));
  return { ...state, nodes };
}

/** Errors: NOT_FOUND. */
export function requireNode({ nodes }: State, name: string): NodeUse {
  const node = nodes.find((candidate) => candidate.name === name);
  if (node !== undefined) return node;
  throw new KeelsonError('NOT_FOUND', `node ${name.slice(0, 80)} does not exist`);
}

/**
 * Refuses to drain a node that would never be empty: the copies of a volume need as many other nodes
 * as there are, which hold one or may take one.
 *
 * Errors: FAILED_PRECONDITION, naming the volumes and what the other nodes lack.
 */
export function checkDrain(state: State, name: string, loads: readonly NodeLoad[]): void {
  const others = loads.filter((node) => node.name !== name);
  const stuck = recordsOn(state, name).flatMap((record) => {
    if (record.isDeleting) return [];
    const taken = nodesToStay(state, record);
    const usable = others.filter((node) => node.refusal === undefined || taken.has(node.name));
    const wanted = record.spec.replicas + 1;
    if (usable.length >= wanted) return [];
    return [
      `${addressOf(record.spec)} wants ${wanted} nodes, of the others ${usable.length} can be used`,
    ];
  });
  if (stuck.length === 0) return;
  const refusals = others.flatMap(({ name: other, refusal }) =>
    refusal === undefined ? [] : [`${other} ${refusal}`],
  );
  const why = refusals.length === 0 ? '' : ` (${refusals.join(', ')})`;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `drain node ${name}: it would never be empty: ${named(stuck)}${why}; ` +
      'add or uncordon a node, or ask for fewer replicas',
  );
}

/**
 * The state without this node. When forced, its copies count as lost; but a copy that is in-sync is in
 * use, and only its controller can strike it off: it does so seconds after the node is gone.
 *
 * Errors: NOT_FOUND; FAILED_PRECONDITION, naming the volumes that are in the way.
 */
export function withoutNode(state: State, name: string, options: { isForced: boolean }): State {
  requireNode(state, name);
  const why = options.isForced ? whyNotEvenForced(state, name) : whyNotEmpty(state, name);
  if (why !== undefined)
    throw new KeelsonError('FAILED_PRECONDITION', `remove node ${name}: ${why}`);
  const volumes = new Map(state.volumes);
  for (const [address, record] of state.volumes) {
    volumes.set(address, revised(record, withoutCopiesOn(record, name)));
  }
  return { ...state, volumes, nodes: state.nodes.filter((node) => node.name !== name) };
}

function whyNotEmpty(state: State, name: string): string | undefined {
  const holders = recordsOn(state, name).map(({ spec }) => addressOf(spec));
  if (holders.length > 0) {
    const copies = holders.length === 1 ? 'a copy' : `${holders.length} copies`; // one a volume (S8)
    return `it holds ${copies}, of ${named(holders)}; drain it first: keelson node drain ${name}`;
  }
  const remains = [...state.volumes.values()]
    .filter(({ removed }) => removed.some(({ node }) => node === name))
    .map(({ spec }) => addressOf(spec));
  if (remains.length > 0) {
    return `removed copies of ${named(remains)} are still to be erased there; wait for that, or use --force to leave them behind`;
  }
  return whyLast(state);
}

function whyNotEvenForced(state: State, name: string): string | undefined {
  const inSync = recordsOn(state, name).filter(({ membership }) =>
    Object.values(membership.copies).some((copy) => copy.node === name && copy.state === 'in-sync'),
  );
  const addresses = inSync.map(({ spec }) => addressOf(spec));
  const last = inSync
    .filter(({ membership }) => {
      const copies = Object.values(membership.copies);
      return copies.filter(({ state }) => state === 'in-sync').length === 1;
    })
    .map(({ spec }) => addressOf(spec));
  if (last.length > 0) {
    return `the last in-sync copy of ${named(last)} is there; bring the node back and drain it, or remove what you can do without: keelson volume rm --force`;
  }
  if (addresses.length > 0) {
    return `its copies of ${named(addresses)} are in-sync, so they are in use; drain it: keelson node drain ${name}; or stop the node, then they are struck off within seconds`;
  }
  return whyLast(state);
}

function whyLast({ nodes }: State): string | undefined {
  return nodes.length === 1 ? 'it is the only node of the installation' : undefined;
}

/** The record without its copies on a node, of which nothing is left to erase either. */
function withoutCopiesOn(record: VolumeRecord, name: string): VolumeRecord {
  const edits = Object.entries(record.membership.copies)
    .filter(([, { node }]) => node === name)
    .map(([replicaId]) => ({ kind: 'remove-copy', replicaId }) as const);
  const edited = edits.length === 0 ? record : withCopies(record, record.membership.version, edits);
  const removed = edited.removed.filter(({ node }) => node !== name);
  return removed.length === edited.removed.length ? edited : { ...edited, removed };
}

/** Volumes with a copy on a node, sorted by address. */
function recordsOn({ volumes }: State, name: string): VolumeRecord[] {
  return [...volumes.values()]
    .filter(({ membership }) => Object.values(membership.copies).some(({ node }) => node === name))
    .sort((a, b) => (addressOf(a.spec) < addressOf(b.spec) ? -1 : 1));
}

/** Nodes whose copy of the volume stays where it is. */
function nodesToStay({ nodes }: State, { membership }: VolumeRecord): Set<string> {
  const holders = Object.values(membership.copies).map(({ node }) => node);
  const draining = nodes.filter(({ isDraining }) => isDraining).map(({ name }) => name);
  return new Set(holders.filter((node) => !draining.includes(node)));
}

function named(what: readonly string[]): string {
  const rest = what.length - MAX_NAMED;
  const shown = what.slice(0, MAX_NAMED).join(', ');
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
