import type { Health } from '../../controller/protocol/status.ts';
import type { MergePatch } from '../kubernetes/kube-api.ts';
import type { Condition, VolumeObject } from '../kubernetes/objects.ts';
import { formatQuantity } from '../model/size.ts';
import type { CopyView, VolumeView } from '../model/view.ts';
import { isSameJson } from './canonical.ts';
import { conditionsIn, type Finding, withFindings } from './conditions.ts';
import { ACCEPTED, type Deletion, type Refusal, type Verdict } from './verdict.ts';

/**
 * What people see of a volume beside `status.record`, which is not ours to write. The shape is that of
 * manifests/kubernetes/base/crds; a field that is undefined is not there.
 */
export interface VolumeStatus {
  readonly observedGeneration: number | undefined;
  /** `refused`: there is no such volume; `damaged`: nobody can tell. The conditions say why. */
  readonly health: Health | 'refused' | 'damaged' | undefined;
  readonly portal: string | undefined;
  readonly targetName: string | undefined;
  /** As initiators see it: a quantity. */
  readonly size: string | undefined;
  /** Copies besides the first that there are. */
  readonly replicas: number | undefined;
  readonly inSync: number | undefined;
  readonly copies: readonly CopySummary[] | undefined;
  /** What matters most at the moment; undefined when all is well. */
  readonly message: string | undefined;
  readonly conditions: readonly Condition[];
}

interface CopySummary extends Omit<CopyView, 'sync'> {
  /** Only while it is syncing. */
  readonly progressPercent?: number;
}

export interface StatusFacts {
  readonly object: VolumeObject;
  readonly verdict: Verdict;
  /** Undefined: it has no record that can be read, so we run nothing of it. */
  readonly view: VolumeView | undefined;
  /** RFC 3339. */
  readonly nowText: string;
}

const CONDITION_TYPES = [ACCEPTED, 'Ready', 'Healthy', 'InUse'];

const FIELDS = [
  'observedGeneration',
  'health',
  'portal',
  'targetName',
  'size',
  'replicas',
  'inSync',
  'copies',
  'message',
  'conditions',
] as const satisfies readonly (keyof VolumeStatus)[];

export function volumeStatus({ object, verdict, view, nowText }: StatusFacts): VolumeStatus {
  const { accepted, deletion, generation } = verdict;
  const findings = [
    accepted,
    ...(view === undefined ? [nothingRuns(accepted)] : findingsOf(view, deletion)),
    ...(deletion?.state === 'waits' ? [inUse(deletion)] : []),
  ];
  return {
    observedGeneration: generation,
    health: view === undefined ? healthWithoutView(accepted) : view.health,
    portal: view && portalOf(view),
    targetName: view?.targetName,
    size: view && formatQuantity(view.servedBytes),
    replicas: view && Math.max(0, view.copies.length - 1),
    inSync: view && inSyncCountOf(view),
    copies: view?.copies.map(summarize),
    message: whatMattersMost(findings) ?? view?.notes[0],
    conditions: withFindings(conditionsIn(object.status), findings, {
      ...{ ours: CONDITION_TYPES, nowText, generation },
    }),
  };
}

export interface StatusPatch {
  /** Of the status. */
  readonly patch: MergePatch;
  /** Nothing differs but how far a sync is. */
  readonly isProgressOnly: boolean;
  /** Somebody waits for it: a claim for its portal, a person for what became of what he wrote. */
  readonly isUrgent: boolean;
}

/** What makes `wanted` of the status that is there; undefined when it is that already. */
export function statusPatch(
  current: VolumeObject['status'],
  wanted: VolumeStatus,
): StatusPatch | undefined {
  const changed = FIELDS.filter((field) => !isSameJson(current?.[field], wanted[field]));
  if (changed.length === 0) return undefined;
  const isProgressOnly =
    changed.every((field) => field === 'copies') &&
    isSameJson(withoutProgress(current?.copies), withoutProgress(wanted.copies));
  const verdictOf = (conditions: readonly Condition[]) =>
    conditions
      .filter(({ type }) => type === ACCEPTED || type === 'InUse')
      .map(({ type, status, observedGeneration }) => [type, status, observedGeneration]);
  const isUrgent =
    changed.includes('portal') ||
    !isSameJson(verdictOf(conditionsIn(current)), verdictOf(wanted.conditions));
  return {
    patch: Object.fromEntries(changed.map((field) => [field, wanted[field] ?? null])),
    ...{ isProgressOnly, isUrgent },
  };
}

/** Whether nothing of it is expected to change by itself. */
export function isAtRest(view: VolumeView | undefined, { deletion }: Verdict): boolean {
  if (deletion !== undefined) return false;
  return view === undefined || (view.health === 'healthy' && view.notes.length === 0);
}

function nothingRuns(accepted: Finding): Finding {
  const message =
    accepted.status === 'True' ? 'it is being made' : 'it is not served: see condition Accepted';
  return { type: 'Ready', status: 'False', reason: 'NotAccepted', message };
}

function healthWithoutView({ status, reason }: Finding): VolumeStatus['health'] {
  if (status === 'True') return undefined;
  return reason === ('RecordDamaged' satisfies Refusal) ? 'damaged' : 'refused';
}

function findingsOf(view: VolumeView, deletion: Deletion | undefined): Finding[] {
  if (deletion?.state === 'going-on') {
    const message = 'it is being deleted: its processes are stopped, then its data is erased';
    return [{ type: 'Ready', status: 'False', reason: 'Deleting', message }];
  }
  return [readyFinding(view), healthyFinding(view)];
}

function inUse({ reason, why }: Extract<Deletion, { state: 'waits' }>): Finding {
  return { type: 'InUse', status: 'True', reason, message: why };
}

function readyFinding(view: VolumeView): Finding {
  if (view.health !== 'unavailable') {
    return { type: 'Ready', status: 'True', reason: 'Served', message: `served at ${view.portal}` };
  }
  const { reason, message } = whyUnavailable(view);
  return {
    ...{ type: 'Ready', status: 'False', reason },
    message: [message, ...missingCopies(view)].join('; '),
  };
}

function whyUnavailable(view: VolumeView): { reason: string; message: string } {
  const { process, sessions } = view.controller;
  if (process !== 'ready') {
    return { reason: 'ControllerNotReady', message: `its controller ${PROCESS_WORDS[process]}` };
  }
  if (sessions === null) {
    return { reason: 'ControllerSilent', message: 'its controller runs, but does not answer yet' };
  }
  return {
    reason: 'TooFewCopies',
    message: `failure mode ${view.failureMode} allows no I/O with ${countCopies(view)}`,
  };
}

function healthyFinding(view: VolumeView): Finding {
  const isWhole = inSyncCountOf(view) > view.replicas;
  const waiting = isWhole && view.health !== 'healthy' ? [WAITS_FOR_CONTROLLER] : [];
  const message = [countCopies(view), ...waiting, ...missingCopies(view)].join('; ');
  if (view.health === 'healthy') {
    return { type: 'Healthy', status: 'True', reason: 'AllInSync', message };
  }
  const reason = view.health === 'degraded' ? 'Degraded' : 'NotServed';
  return { type: 'Healthy', status: 'False', reason, message };
}

/** The record is ahead of what the controller says. */
const WAITS_FOR_CONTROLLER = 'its controller does not say so yet';

/** `2 of 3 copies in sync`. */
function countCopies(view: VolumeView): string {
  return `${inSyncCountOf(view)} of ${view.replicas + 1} copies in sync`;
}

const PROCESS_WORDS = {
  starting: 'is starting',
  ready: 'runs',
  stopping: 'is stopping',
  down: 'does not run',
} as const;

/** A sentence for each thing that is not as it should be. */
function missingCopies({ copies, notes }: VolumeView): string[] {
  const missing = copies
    .filter(({ state, process, isLeaving }) => {
      return (state !== 'in-sync' && !isLeaving) || process === 'down';
    })
    .map(({ replicaId, node, state, process }) => {
      const copy = `${replicaId} on ${node} is ${state}`;
      return process === 'ready' ? copy : `${copy}, its replica ${PROCESS_WORDS[process]}`;
    });
  return [...missing, ...notes];
}

function inSyncCountOf({ copies }: VolumeView): number {
  return copies.filter(({ state }) => state === 'in-sync').length;
}

function whatMattersMost(findings: readonly Finding[]): string | undefined {
  const isBad = ({ type, status }: Finding) => (type === 'InUse') === (status === 'True');
  const order = [ACCEPTED, 'InUse', 'Ready', 'Healthy'];
  return findings
    .filter(isBad)
    .toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type))
    .at(0)?.message;
}

/** undefined: it has no address at the moment (service-addresses.ts; RFC 2606). */
function portalOf({ portal }: VolumeView): string | undefined {
  return /\.invalid:\d+$/.test(portal) ? undefined : portal;
}

function summarize({ sync, ...copy }: CopyView): CopySummary {
  if (sync === undefined || sync.totalBytes === 0) return copy;
  return { ...copy, progressPercent: Math.floor((sync.doneBytes / sync.totalBytes) * 100) };
}

function withoutProgress(copies: unknown): unknown {
  if (!Array.isArray(copies)) return copies;
  return copies.map((copy: CopySummary) => ({ ...copy, progressPercent: undefined }));
}
