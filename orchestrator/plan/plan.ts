import type { ProcessState } from '../model/view.ts';
import type { VolumeRecord } from '../model/volume.ts';
import { restartDelayMs } from './backoff.ts';
import { type ProcessSpec, processesOf } from './processes.ts';

/** What the platform sees of a process; one that it has never seen is not listed. */
export interface ObservedProcess {
  readonly key: string;
  readonly role: ProcessSpec['role'];
  readonly state: ProcessState;
  /** Early exits in a row; see backoff.ts. */
  readonly quickExits: number;
  /** When it last exited; 0 if it never did. */
  readonly exitedAtMs: number;
}

export type Action =
  | { readonly kind: 'start'; readonly process: ProcessSpec }
  | { readonly kind: 'stop'; readonly key: string }
  /** Delete the data of every copy, then forget the volume. */
  | { readonly kind: 'erase' };

export interface Plan {
  readonly actions: readonly Action[];
  /** Plan again at this time, if nothing happens before. */
  readonly wakeAtMs?: number;
}

/**
 * What to do now to bring one volume from what is to what should be. Level-triggered: it looks at
 * the whole state and needs no history, so it may be asked at any time and any number of times.
 */
export function plan(
  desired: VolumeRecord,
  observed: readonly ObservedProcess[],
  nowMs: number,
): Plan {
  if (desired.isDeleting) return planDeletion(observed);
  const wanted = processesOf(desired);
  const wantedKeys = new Set(wanted.map(({ key }) => key));
  const byKey = new Map(observed.map((process) => [process.key, process]));
  const actions: Action[] = [];
  let wakeAtMs = Number.POSITIVE_INFINITY;
  for (const process of observed) {
    if (!wantedKeys.has(process.key) && isUp(process)) actions.push(stop(process));
  }
  for (const process of wanted) {
    const seen = byKey.get(process.key);
    if (seen !== undefined && seen.state !== 'down') continue;
    const startAtMs =
      seen === undefined ? nowMs : seen.exitedAtMs + restartDelayMs(seen.quickExits);
    if (startAtMs <= nowMs) actions.push({ kind: 'start', process });
    else wakeAtMs = Math.min(wakeAtMs, startAtMs);
  }
  return Number.isFinite(wakeAtMs) ? { actions, wakeAtMs } : { actions };
}

/** The controller goes first: a replica that went before it would count as a lost copy. */
function planDeletion(observed: readonly ObservedProcess[]): Plan {
  const running = observed.filter(({ state }) => state !== 'down');
  if (running.length === 0) return { actions: [{ kind: 'erase' }] };
  const controllers = running.filter(({ role }) => role === 'controller');
  const next = controllers.length > 0 ? controllers : running;
  return { actions: next.filter(isUp).map(stop) };
}

function isUp({ state }: ObservedProcess): boolean {
  return state === 'starting' || state === 'ready';
}

function stop({ key }: ObservedProcess): Action {
  return { kind: 'stop', key };
}
