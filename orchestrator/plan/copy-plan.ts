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
  // Those of nodes that are emptied come last: they go first, once enough others are in-sync.
  const inSync = [
    ...copies.filter(({ isInSync, isUnwanted }) => isInSync && !isUnwanted),
    ...copies.filter(({ isInSync, isUnwanted }) => isInSync && isUnwanted),
  ];
  const keptCount = inSync.filter(({ isUnwanted }) => !isUnwanted).length;
  const others = copies.filter(({ isInSync }) => !isInSync);
  const neededOthers = Math.max(0, wanted - keptCount);
  const surplus = neededOthers === 0 ? others : chooseSurplus(others, neededOthers);
  // The newest, decided anew each time: a copy that is needed after all stays.
  const leaving = inSync.slice(wanted).map(({ replicaId }) => replicaId);
  const expected = keptCount + others.filter((copy) => isExpected(copy, times)).length;
  const missingCount = Math.min(wanted - expected, MAX_LISTED_COPIES - copies.length);
  const places = findPlaces(missingCount, desired, observed);
  const isShort = places.length < missingCount;
  const isUndecided = surplus.length === 0 && others.length > neededOthers;
  const isSomeoneAway = copies.some(({ away }) => away !== undefined);
  const mustLookAgain =
    isShort || isUndecided || isSomeoneAway || haveRemainsToWait(desired, observed);
  const edits: CopyEdit[] = [
    ...places.map((node) => ({ kind: 'add-copy', node }) as const),
    ...surplus.map(({ replicaId }) => ({ kind: 'remove-copy', replicaId }) as const),
  ];
  if (!isSameSet(leaving, desired.leaving)) {
    edits.push({ kind: 'set-leaving', replicaIds: leaving });
  }
  return {
    edits,
    wakeAtMs: mustLookAgain ? times.nowMs + LOOK_AGAIN_MS : Number.POSITIVE_INFINITY,
    notes: [
      ...copies.flatMap(({ note }) => note ?? []),
      ...(isShort ? [`no available node for another copy, ${wanted} are wanted`] : []),
    ],
    // Only when a comparison could decide: a copy that is away has no difference to tell.
    needsStatus: isUndecided && others.filter(({ away }) => !away).length > neededOthers,
  };
}

/**
 * More copies than needed, and none of them in-sync. Those of nodes that are emptied go as soon as
 * there are enough others. Of the rest only those whose difference is known are compared, or a copy
 * that comes and goes would take a good one with it. Of two equal ones the newer goes (the sort is
 * stable).
 */
function chooseSurplus(others: readonly CopyFacts[], neededCount: number): CopyFacts[] {
  const staying = others.filter(({ isUnwanted }) => !isUnwanted);
  if (staying.length < neededCount) return [];
  const unwanted = others.filter(({ isUnwanted }) => isUnwanted);
  const comparable = staying.filter((copy) => copy.differenceBytes !== undefined && !copy.away);
  const worse = comparable.toSorted((a, b) => difference(a) - difference(b)).slice(neededCount);
  return [...unwanted, ...worse];
}

/** It will be in-sync where it is to stay. */
function isExpected(copy: CopyFacts, times: Times): boolean {
  return !copy.isUnwanted && !isGone(copy, times);
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

/** Whether the directory of a removed copy lies on a node that is down: nobody tells when it is back. */
function haveRemainsToWait({ removed }: VolumeRecord, { nodes }: Observed): boolean {
  const downNodes = nodes.filter(({ down }) => down !== undefined).map(({ name }) => name);
  return removed.some(({ node }) => downNodes.includes(node));
}

function difference({ differenceBytes }: CopyFacts): number {
  return differenceBytes ?? Number.POSITIVE_INFINITY;
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((replicaId) => b.includes(replicaId));
}
