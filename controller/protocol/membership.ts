import { KeelsonError } from '../../replica/common/errors.ts';
import { MAX_COPIES } from '../../replica/common/limits.ts';
import { MAX_GENERATION } from '../../replica/protocol/stamps.ts';
import {
  type Fields,
  readInteger,
  readObject,
  readOneOf,
  readString,
  readStringOrNull,
} from '../../replica/common/validate.ts';

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
): Membership {
  return {
    version: 1,
    epoch: 0,
    controller: null,
    generation: 0,
    copies: Object.fromEntries(
      copies.map(({ replicaId, node }) => [
        replicaId,
        { node, dataId: null, state: 'in-sync', generation: 0, session: 0 } satisfies Copy,
      ]),
    ),
  };
}

/**
 * Why `next` may not replace `current`, or undefined when it may. The registry asks this at every
 * compare-and-swap; it holds whatever a controller believes (I3, I12).
 */
export function whyInvalidChange(current: Membership, next: Membership): string | undefined {
  if (next.version !== current.version + 1) {
    return `version: expected ${current.version + 1}, got ${next.version}`;
  }
  if (next.generation < current.generation) {
    return `generation: expected at least ${current.generation}, got ${next.generation}`;
  }
  const isTakeover = next.epoch === current.epoch + 1;
  if (!isTakeover && next.epoch !== current.epoch) {
    return `epoch: expected ${current.epoch} or ${current.epoch + 1}, got ${next.epoch}`;
  }
  if (!isTakeover && next.controller?.instanceId !== current.controller?.instanceId) {
    return `controller: expected ${current.controller?.instanceId}, which holds epoch ${current.epoch}`;
  }
  if (inSyncSet(current) !== inSyncSet(next) && next.generation === current.generation) {
    return 'generation: the in-sync set changed without a new one';
  }
  if (!Object.values(next.copies).some((copy) => copy.state === 'in-sync')) {
    return 'copies: the last in-sync copy would be gone';
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

function inSyncSet(membership: Membership): string {
  return Object.entries(membership.copies)
    .filter(([, copy]) => copy.state === 'in-sync')
    .map(([replicaId]) => replicaId)
    .sort()
    .join(' ');
}
