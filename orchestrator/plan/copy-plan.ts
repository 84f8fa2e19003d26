import { MAX_COPIES } from '../../replica/common/limits.ts';
import type { VolumeRecord } from '../model/volume.ts';
import type { CopyEdit } from './actions.ts';
import { LOOK_AGAIN_MS } from './backoff.ts';
import { type CopyFacts, describeCopies } from './copy-facts.ts';
import type { Observed } from './observed.ts';
import { chooseNodes, whyNoNewCopies } from './placement.ts';
import type { Times } from './plan.ts';

export interface CopyPlan {
  readonly edits: readonly CopyEdit[];
  /** Infinity: only when something happens. */
  readonly wakeAtMs: number;
  readonly notes: readonly string[];
  readonly needsStatus: boolean;
}

/** A membership record lists no more (membership.ts). */
const MAX_LISTED_COPIES = MAX_COPIES * 2;

/**
 * Which copies to add, to remove and to let go (ADR 0014).
 *
 * A copy that is not in-sync counts as long as it can be expected back; when it cannot, another one
 * is added, and both stay until either is in-sync, or both can be compared: then the one with the
 * smaller difference stays (S38 to S40).
 */
export function planCopies(desired: VolumeRecord, observed: Observed, times: Times): CopyPlan {
  const wanted = desired.spec.replicas + 1;
  const copies = describeCopies(desired, observed);
  const inSync = copies.filter(({ isInSync }) => isInSync);
  const others = copies.filter(({ isInSync }) => !isInSync);
  const neededOthers = Math.max(0, wanted - inSync.length);
  const surplus = neededOthers === 0 ? others : chooseSurplus(others, neededOthers);
  const leaving = chooseLeaving(inSync, inSync.length - wanted, desired.leaving);
  const expected = inSync.length + others.filter((copy) => !isGone(copy, times)).length;
  const missingCount = Math.min(wanted - expected, MAX_LISTED_COPIES - copies.length);
  const places = findPlaces(missingCount, desired, observed);
  const isShort = places.length < missingCount;
  const isUndecided = surplus.length === 0 && others.length > neededOthers;
  const edits: CopyEdit[] = [
    ...places.map((node) => ({ kind: 'add-copy', node }) as const),
    ...surplus.map(({ replicaId }) => ({ kind: 'remove-copy', replicaId }) as const),
  ];
  if (!isSameSet(leaving, without(desired.leaving, surplus))) {
    edits.push({ kind: 'set-leaving', replicaIds: leaving });
  }
  return {
    edits,
    wakeAtMs: wakeTimeMs({ copies, desired, observed, mustLook: isShort || isUndecided }, times),
    notes: [
      ...copies.flatMap(({ note }) => note ?? []),
      ...(isShort ? [`no available node for another copy, ${wanted} are wanted`] : []),
    ],
    // Only when a comparison could decide: a copy that is away has no difference to tell.
    needsStatus: isUndecided && others.filter(({ away }) => !away).length > neededOthers,
  };
}

/**
 * More copies than needed, and none of them in-sync. Only those whose difference is known are
 * compared, or a copy that comes and goes would take a good one with it. The newer of two equal ones
 * goes: it has more still to prove.
 */
function chooseSurplus(others: readonly CopyFacts[], neededCount: number): CopyFacts[] {
  const comparable = others.filter((copy) => copy.differenceBytes !== undefined && !copy.away);
  return comparable
    .toSorted((a, b) => difference(a) - difference(b) || a.number - b.number)
    .slice(neededCount);
}

/**
 * The in-sync copies that are too many: the newest, except that what is already leaving goes on.
 * Decided anew each time, so that a copy which is needed after all stays.
 */
function chooseLeaving(
  inSync: readonly CopyFacts[],
  count: number,
  current: readonly string[],
): string[] {
  const isLeaving = ({ replicaId }: CopyFacts) => (current.includes(replicaId) ? 1 : 0);
  return inSync
    .toSorted((a, b) => isLeaving(b) - isLeaving(a) || b.number - a.number)
    .slice(0, Math.max(0, count))
    .map(({ replicaId }) => replicaId);
}

/** It has been away for so long that another one takes its place. */
function isGone({ away }: CopyFacts, { nowMs, replaceAfterMs }: Times): boolean {
  return away !== undefined && away.sinceMs + replaceAfterMs <= nowMs;
}

function findPlaces(count: number, desired: VolumeRecord, observed: Observed): string[] {
  if (count <= 0) return [];
  const copies = [...Object.values(desired.membership.copies), ...desired.removed];
  const nodes = observed.nodes.map(({ name, copyCount, isCordoned, down }) => {
    const refusal = whyNoNewCopies({ isCordoned, isDown: down !== undefined });
    return { name, copyCount, refusal };
  });
  return chooseNodes(count, nodes, new Set(copies.map(({ node }) => node)));
}

/** When to look again at what announces nothing: nodes that come back, syncs that get on. */
function wakeTimeMs(
  facts: {
    readonly copies: readonly CopyFacts[];
    readonly desired: VolumeRecord;
    readonly observed: Observed;
    readonly mustLook: boolean;
  },
  { nowMs, replaceAfterMs }: Times,
): number {
  const { copies, desired, observed, mustLook } = facts;
  const sinceMs = copies.flatMap(({ away }) => away?.sinceMs ?? []);
  const replacements = sinceMs.map((ms) => ms + replaceAfterMs).filter((ms) => ms > nowMs);
  const isRemnantAway = desired.removed.some(({ node }) =>
    observed.nodes.some(({ name, down }) => name === node && down !== undefined),
  );
  const looks = mustLook || isRemnantAway || sinceMs.length > 0 ? [nowMs + LOOK_AGAIN_MS] : [];
  return Math.min(Number.POSITIVE_INFINITY, ...replacements, ...looks);
}

function difference({ differenceBytes }: CopyFacts): number {
  return differenceBytes ?? Number.POSITIVE_INFINITY;
}

function without(replicaIds: readonly string[], copies: readonly CopyFacts[]): string[] {
  return replicaIds.filter((replicaId) => !copies.some((copy) => copy.replicaId === replicaId));
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((replicaId) => b.includes(replicaId));
}
