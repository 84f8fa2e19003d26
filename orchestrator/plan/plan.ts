import type { VolumeRecord } from '../model/volume.ts';
import type { Action, Plan } from './actions.ts';
import { planCopies } from './copy-plan.ts';
import type { Observed, ObservedProcess } from './observed.ts';
import { planProcesses } from './process-plan.ts';

export interface Times {
  readonly nowMs: number;
  /** How long a copy may be away before another is made on another node. */
  readonly replaceAfterMs: number;
}

/**
 * What to do now to bring one volume from what is to what should be. Level-triggered: it looks at
 * the whole state and needs no history, so it may be asked at any time and any number of times.
 */
export function plan(desired: VolumeRecord, observed: Observed, times: Times): Plan {
  if (desired.isDeleting) return planDeletion(observed.processes);
  const processes = planProcesses(desired, observed, times.nowMs);
  const copies = planCopies(desired, observed, times);
  const wakeAtMs = Math.min(processes.wakeAtMs, copies.wakeAtMs);
  return {
    // Processes first: a restart is what an initiator waits for.
    actions: [...processes.actions, ...copies.edits],
    notes: copies.notes,
    needsStatus: copies.needsStatus,
    ...(Number.isFinite(wakeAtMs) ? { wakeAtMs } : {}),
  };
}

/** The controller goes first: a replica that went before it would count as a lost copy. */
function planDeletion(observed: readonly ObservedProcess[]): Plan {
  const none = { notes: [], needsStatus: false };
  const running = observed.filter(({ state }) => state !== 'down');
  if (running.length === 0) return { actions: [{ kind: 'erase' }], ...none };
  const controllers = running.filter(({ role }) => role === 'controller');
  const next = controllers.length > 0 ? controllers : running;
  const stops = next
    .filter(({ state }) => state !== 'stopping')
    .map(({ key }): Action => ({ kind: 'stop', key }));
  return { actions: stops, ...none };
}
