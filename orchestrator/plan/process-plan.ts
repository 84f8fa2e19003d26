import { addressOf, type VolumeRecord } from '../model/volume.ts';
import type { Action } from './actions.ts';
import { LOOK_AGAIN_MS, restartDelayMs } from './backoff.ts';
import type { Observed, ObservedProcess } from './observed.ts';
import { type ProcessSpec, processesOf, replicaKey } from './processes.ts';

export interface ProcessPlan {
  readonly actions: readonly Action[];
  /** Infinity: only when something happens. */
  readonly wakeAtMs: number;
}

/** Which processes to start and to stop, and what of removed copies can be erased by now. */
export function planProcesses(
  desired: VolumeRecord,
  observed: Observed,
  nowMs: number,
): ProcessPlan {
  const wanted = processesOf(desired);
  const wantedKeys = new Set(wanted.map(({ key }) => key));
  const stops = observed.processes
    .filter(({ key, state }) => !wantedKeys.has(key) && (state === 'starting' || state === 'ready'))
    .map(({ key }): Action => ({ kind: 'stop', key }));
  const erasures = findErasures(desired, observed);
  const starts: Action[] = [];
  // An erasure that worked changes the record; one that failed is tried again.
  let wakeAtMs = erasures.length > 0 ? nowMs + LOOK_AGAIN_MS : Number.POSITIVE_INFINITY;
  for (const process of wanted) {
    const seen = observed.processes.find(({ key }) => key === process.key);
    if ((seen !== undefined && seen.state !== 'down') || !hasPlace(process, desired, observed)) {
      continue;
    }
    const startAtMs = startTimeMs(seen, nowMs);
    if (startAtMs <= nowMs) starts.push({ kind: 'start', process });
    else wakeAtMs = Math.min(wakeAtMs, startAtMs);
  }
  return { actions: [...stops, ...erasures, ...starts], wakeAtMs };
}

function startTimeMs(seen: ObservedProcess | undefined, nowMs: number): number {
  return seen === undefined ? nowMs : seen.exitedAtMs + restartDelayMs(seen.quickExits);
}

/**
 * A replica starts only on its own node, when that node has its disk: on an empty directory in the
 * wrong place it would become another copy. And not beside the remains of an earlier copy, which
 * lie in the same directory. A controller starts anywhere; while there is no such place, attempts
 * would only make the one that counts wait longer.
 */
function hasPlace(process: ProcessSpec, desired: VolumeRecord, { nodes }: Observed): boolean {
  if (process.role === 'controller') return nodes.some(({ down }) => down === undefined);
  return isUp(process.node, nodes) && !desired.removed.some((copy) => copy.node === process.node);
}

/** Removed copies whose process has ended and whose node is there. */
function findErasures(desired: VolumeRecord, { processes, nodes }: Observed): Action[] {
  const address = addressOf(desired.spec);
  return desired.removed
    .filter(({ replicaId, node }) => {
      const process = processes.find(({ key }) => key === replicaKey(address, replicaId));
      return isUp(node, nodes) && (process === undefined || process.state === 'down');
    })
    .map(({ replicaId, node }): Action => ({ kind: 'erase-copy', replicaId, node }));
}

function isUp(node: string, nodes: Observed['nodes']): boolean {
  return nodes.some(({ name, down }) => name === node && down === undefined);
}
