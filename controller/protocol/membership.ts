import { KeelsonError } from '../../replica/common/errors.ts';
import { BLOCK_BYTES, MAX_COPIES, MAX_VOLUME_BYTES } from '../../replica/common/limits.ts';
import {
  type Fields,
  readInteger,
  readObject,
  readOneOf,
  readString,
  readStringOrNull,
} from '../../replica/common/validate.ts';
import { MAX_GENERATION } from '../../replica/protocol/stamps.ts';

/**
 * The membership record (design section 3): who may write to a volume and which copies hold every
 * acknowledged write. Linearizable, changed only by compare-and-swap on `version`.
 */
export interface Membership {
  /** Compare-and-swap token: every change adds 1. */
  readonly version: number;
  /** Counts controllers; the fencing token. 0 until the first one starts. */
  readonly epoch: number;
  readonly controller: ControllerIdentity | null;
  /** Counts changes of the in-sync set. */
  readonly generation: number;
  /**
   * How often the volume owned up to a power loss (I13). A controller that took a flush before it had
   * the epoch sees by this that the flush must not tell anyone that older writes are safe.
   */
  readonly losses: number;
  /** How large the volume is for its initiators: every in-sync copy has at least that. */
  readonly sizeBytes: number;
  /** By replica id. */
  readonly copies: Readonly<Record<string, Copy>>;
}

export interface ControllerIdentity {
  readonly instanceId: string;
  /** `host:port` of its iSCSI portal. */
  readonly address: string;
}

export const COPY_STATES = ['in-sync', 'syncing', 'stale', 'lost'] as const;
export type CopyState = (typeof COPY_STATES)[number];

export interface Copy {
  readonly node: string;
  /** null until the replica's directory was first formatted and seen by a controller. */
  readonly dataId: string | null;
  readonly state: CopyState;
  /**
   * While in-sync, the generation it joined at. After it left: it has everything that was written
   * in this generation and before. 0: nothing is known of what it has.
   */
  readonly generation: number;
  /** Highest session (hello.ts) a controller has seen; a lower one later means a rolled-back disk (I5). */
  readonly session: number;
}

/** The record of a volume that no controller has started yet: all copies are equally empty. */
export function makeInitialMembership(
  copies: readonly { replicaId: string; node: string }[],
  sizeBytes: number,
): Membership {
  return {
    version: 1,
    epoch: 0,
    controller: null,
    generation: 0,
    losses: 0,
    sizeBytes,
    copies: Object.fromEntries(
      copies.map(({ replicaId, node }) => [
        replicaId,
        { node, dataId: null, state: 'in-sync', generation: 0, session: 0 } satisfies Copy,
      ]),
    ),
  };
}

/**
 * Why a controller may not replace `current` by `next`, or undefined when it may. The registry asks
 * this at every compare-and-swap; it holds whatever a controller believes (I3, I5, I12).
 */
export function whyInvalidChange(current: Membership, next: Membership): string | undefined {
  if (next.version !== current.version + 1) {
    return expected('version', current.version + 1, next.version);
  }
  if (next.epoch === current.epoch + 1) return whyInvalidTakeover(current, next);
  if (next.epoch !== current.epoch) {
    return expected('epoch', `${current.epoch} or ${current.epoch + 1}`, next.epoch);
  }
  return whyInvalidStep(current, next);
}

/**
 * Why the orchestrator may not replace `current` by `next`: it only lists and unlists copies, and
 * never takes out one that is in-sync (ADR 0014).
 */
export function whyInvalidPlacement(current: Membership, next: Membership): string | undefined {
  if (next.version !== current.version + 1) {
    return expected('version', current.version + 1, next.version);
  }
  if (next.epoch !== current.epoch) return expected('epoch', current.epoch, next.epoch);
  if (next.generation !== current.generation) {
    return expected('generation', current.generation, next.generation);
  }
  const reason = whyOtherFacts(current, next);
  if (reason !== undefined) return reason;
  if (!isSameController(current, next)) {
    return expected('controller', nameOf(current.controller), nameOf(next.controller));
  }
  for (const [replicaId, copy] of Object.entries(next.copies)) {
    const has = showCopy(current.copies[replicaId] ?? makeNewCopy(copy.node));
    if (has !== showCopy(copy)) return `copy ${replicaId}: expected ${has}, got ${showCopy(copy)}`;
  }
  for (const [replicaId, { state }] of Object.entries(current.copies)) {
    if (next.copies[replicaId] === undefined && state === 'in-sync') {
      return `copy ${replicaId}: expected it to stay, as it is in-sync, got it removed`;
    }
  }
  return undefined;
}

/** A copy that was just added: nothing is known of what it has. */
export function makeNewCopy(node: string): Copy {
  return { node, dataId: null, state: 'syncing', generation: 0, session: 0 };
}

/** Taking over changes who may write and nothing else: no copy has been asked yet. */
function whyInvalidTakeover(current: Membership, next: Membership): string | undefined {
  if (next.controller === null) return expected('controller', 'the one that takes over', 'none');
  if (next.generation !== current.generation + 1) {
    return expected('generation', current.generation + 1, next.generation);
  }
  const reason = whyOtherFacts(current, next);
  if (reason !== undefined) return reason;
  for (const replicaId of new Set([...Object.keys(current.copies), ...Object.keys(next.copies)])) {
    const [has, got] = [current.copies[replicaId], next.copies[replicaId]].map(showCopy);
    if (has !== got) return `copy ${replicaId}: expected ${has} at a takeover, got ${got}`;
  }
  return undefined;
}

/** What only the controller that holds the epoch can know. */
function whyOtherFacts(current: Membership, next: Membership): string | undefined {
  if (next.losses !== current.losses) return expected('losses', current.losses, next.losses);
  if (next.sizeBytes !== current.sizeBytes) {
    return expected('size', current.sizeBytes, next.sizeBytes);
  }
  return undefined;
}

/** A change by the controller that holds the epoch. */
function whyInvalidStep(current: Membership, next: Membership): string | undefined {
  if (current.controller === null || !isSameController(current, next)) {
    return expected('controller', nameOf(current.controller), nameOf(next.controller));
  }
  const { generation } = current;
  if (next.generation !== generation && next.generation !== generation + 1) {
    return expected('generation', `${generation} or ${generation + 1}`, next.generation);
  }
  if (next.losses !== current.losses && next.losses !== current.losses + 1) {
    return expected('losses', `${current.losses} or ${current.losses + 1}`, next.losses);
  }
  if (next.sizeBytes < current.sizeBytes) {
    return expected('size', `at least ${current.sizeBytes}`, next.sizeBytes);
  }
  const [has, asked] = [describePlaces(current), describePlaces(next)];
  if (has !== asked) return expected('copies', has, asked);
  for (const [replicaId, after] of Object.entries(next.copies)) {
    const before = current.copies[replicaId];
    const reason =
      before && whyInvalidCopy(before, after, { from: generation, to: next.generation });
    if (reason !== undefined) return `copy ${replicaId}: ${reason}`;
  }
  if (inSyncSet(current) !== inSyncSet(next) && next.generation === generation) {
    return 'generation: expected a new one, as the in-sync set changed';
  }
  if (inSyncSet(next) === '') return 'copies: expected the last in-sync copy to stay so';
  return undefined;
}

/** What may happen to one copy while the record's generation goes from `from` to `to`. */
function whyInvalidCopy(
  before: Copy,
  after: Copy,
  { from, to }: { from: number; to: number },
): string | undefined {
  if (after.state === 'in-sync') {
    if (before.state !== 'in-sync' && before.state !== 'syncing') {
      return expected('state', 'syncing before in-sync', before.state);
    }
    const isFirstSeen = before.state === 'in-sync' && before.dataId === null;
    if (after.dataId !== before.dataId && !isFirstSeen) {
      return expected('data id', before.dataId, after.dataId);
    }
    if (before.state === 'syncing' && after.dataId === null) {
      return expected('data id', 'one before it is in-sync', null);
    }
    if (after.generation > to) return expected('generation', `at most ${to}`, after.generation);
  } else {
    // What it has was settled when it left; from then on it can only turn out to be less. Of
    // another directory nothing is known.
    const left = before.state === 'in-sync' ? from : before.generation;
    const limit = after.dataId === before.dataId ? left : 0;
    if (after.generation > limit) {
      return expected('generation', `at most ${limit}`, after.generation);
    }
  }
  const isUnknown = after.state === 'lost' || (after.state !== 'in-sync' && after.generation === 0);
  if (after.session < before.session && after.dataId === before.dataId && !isUnknown) {
    return expected('session', `at least ${before.session}`, after.session);
  }
  return undefined;
}

export function decodeMembership(value: unknown): Membership {
  const fields = readObject(value, 'membership');
  const counter = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const copies = Object.entries(readObject(fields.copies, 'copies'));
  if (copies.length > MAX_COPIES * 2) {
    throw new KeelsonError('INVALID_ARGUMENT', `copies: more than ${MAX_COPIES * 2}`);
  }
  return {
    version: readInteger(fields, 'version', { min: 1, max: Number.MAX_SAFE_INTEGER }),
    epoch: readInteger(fields, 'epoch', counter),
    controller: fields.controller === null ? null : decodeController(fields.controller),
    generation: readInteger(fields, 'generation', { min: 0, max: MAX_GENERATION }),
    losses: readInteger(fields, 'losses', counter),
    sizeBytes: readInteger(fields, 'sizeBytes', { min: BLOCK_BYTES, max: MAX_VOLUME_BYTES }),
    copies: Object.fromEntries(
      copies.map(([replicaId, copy]) => [replicaId, decodeCopy(readObject(copy, replicaId))]),
    ),
  };
}

function decodeController(value: unknown): ControllerIdentity {
  const fields = readObject(value, 'controller');
  return { instanceId: readString(fields, 'instanceId'), address: readString(fields, 'address') };
}

function decodeCopy(fields: Fields): Copy {
  return {
    node: readString(fields, 'node'),
    dataId: readStringOrNull(fields, 'dataId'),
    state: readOneOf(fields, 'state', COPY_STATES),
    generation: readInteger(fields, 'generation', { min: 0, max: MAX_GENERATION }),
    session: readInteger(fields, 'session', { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}

function isSameController(a: Membership, b: Membership): boolean {
  return (
    a.controller?.instanceId === b.controller?.instanceId &&
    a.controller?.address === b.controller?.address
  );
}

/** All of a copy, so that two that show the same are the same. */
function showCopy(copy: Copy | undefined): string {
  if (copy === undefined) return 'none';
  const { node, state, dataId, generation, session } = copy;
  return JSON.stringify({ node, state, dataId, generation, session });
}

function nameOf(controller: ControllerIdentity | null): string {
  return controller === null ? 'none' : `${controller.instanceId} at ${controller.address}`;
}

/** `r1 on node1, r2 on node2`. */
function describePlaces({ copies }: Membership): string {
  const places = Object.entries(copies).map(([replicaId, { node }]) => `${replicaId} on ${node}`);
  return places.sort().join(', ');
}

function inSyncSet(membership: Membership): string {
  return Object.entries(membership.copies)
    .filter(([, copy]) => copy.state === 'in-sync')
    .map(([replicaId]) => replicaId)
    .sort()
    .join(' ');
}

function expected(
  what: string,
  wanted: string | number | null,
  got: string | number | null,
): string {
  return `${what}: expected ${wanted}, got ${got}`;
}
