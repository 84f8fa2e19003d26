import type { Copy } from '../../../../controller/protocol/membership.ts';
import type { CopyStatus } from '../../../../controller/protocol/status.ts';
import { nodeNames } from '../../../../orchestrator/model/layout.ts';
import type { VolumeRecord } from '../../../../orchestrator/model/volume.ts';
import { type Action, isCopyEdit, type Plan } from '../../../../orchestrator/plan/actions.ts';
import type { Observed, ObservedProcess } from '../../../../orchestrator/plan/observed.ts';
import { plan } from '../../../../orchestrator/plan/plan.ts';
import { withCopies } from '../../../../orchestrator/registry/edits.ts';
import { makeRecord } from './records.ts';

const REPLACE_AFTER_MS = 60_000;
const MAX_ROUNDS = 20;

/**
 * One volume under the planner, with a controller and a platform that do at once what is asked of
 * them. Time stands still unless a test moves it.
 */
export class Stage {
  record: VolumeRecord;
  nowMs = 1_000_000;
  /** What the sync of a copy still has to move, for those that the controller knows it of. */
  readonly remainingBytes = new Map<string, number>();
  readonly cordoned = new Set<string>();
  /** Cordoned as well. */
  readonly draining = new Set<string>();
  readonly #nodes: readonly string[];
  readonly #downSinceMs = new Map<string, number>();
  #processes = new Map<string, ObservedProcess>();

  constructor(options: { nodeCount: number; copyCount: number }) {
    this.#nodes = nodeNames(options.nodeCount);
    this.record = makeRecord({ copyCount: options.copyCount });
    this.settle();
  }

  /** The copies in the record: `r1 node1 in-sync`. */
  get copies(): string[] {
    return Object.entries(this.record.membership.copies).map(
      ([replicaId, { node, state }]) => `${replicaId} ${node} ${state}`,
    );
  }

  /** The copies whose directories wait to be erased: `r1 node1`. */
  get remains(): string[] {
    return this.record.removed.map(({ replicaId, node }) => `${replicaId} ${node}`);
  }

  get running(): string[] {
    return [...this.#processes.values()]
      .filter(({ state }) => state === 'ready')
      .map(({ key }) => key.replace('default/demo ', ''))
      .sort();
  }

  setReplicas(replicas: number): void {
    this.record = { ...this.record, spec: { ...this.record.spec, replicas } };
  }

  takeDown(...nodes: string[]): void {
    for (const node of nodes) this.#downSinceMs.set(node, this.nowMs);
    for (const [replicaId, { node }] of this.#copyEntries()) {
      if (nodes.includes(node)) this.#end(`default/demo ${replicaId}`);
    }
  }

  bringBack(...nodes: string[]): void {
    for (const node of nodes) this.#downSinceMs.delete(node);
  }

  /** A copy's process exits again and again from now on; at this moment it is up, or down. */
  fail(replicaId: string, state: 'ready' | 'down'): void {
    const key = `default/demo ${replicaId}`;
    const process = this.#process(key);
    const failingSinceMs = process.failingSinceMs ?? this.nowMs;
    const failing = { state, quickExits: 9, failingSinceMs, exitedAtMs: this.nowMs };
    this.#processes.set(key, { ...process, ...failing });
  }

  /** The syncs of these copies come to their end. */
  finish(...replicaIds: string[]): void {
    for (const replicaId of replicaIds) this.#setState(replicaId, 'in-sync');
  }

  /** It knows nothing any more but the record; the children of the old one end with it. */
  restartOrchestrator(): void {
    this.#processes = new Map();
    for (const node of this.#downSinceMs.keys()) this.#downSinceMs.set(node, this.nowMs);
  }

  wait(ms: number): void {
    this.nowMs += ms;
  }

  plan(): Plan {
    const times = { nowMs: this.nowMs, replaceAfterMs: REPLACE_AFTER_MS };
    return plan(this.record, this.#observe(), times);
  }

  /** Plans and carries out until there is nothing left to do. Returns the last plan. */
  settle(): Plan {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const before = this.record;
      const next = this.plan();
      // A process that fails is started again for ever: that is not what these tests are about.
      const actions = next.actions.filter((action) => !this.#isFailing(action));
      for (const action of actions) this.#carryOut(action);
      const { version } = this.record.membership;
      this.record = withCopies(this.record, version, actions.filter(isCopyEdit));
      this.#control();
      if (actions.length === 0 && this.record === before) return next;
    }
    throw new Error(`still not settled after ${MAX_ROUNDS} rounds: ${this.copies.join(', ')}`);
  }

  #observe(): Observed {
    return {
      processes: [...this.#processes.values()],
      nodes: this.#nodes.map((name) => {
        const sinceMs = this.#downSinceMs.get(name);
        const down = sinceMs === undefined ? undefined : { sinceMs, reason: 'unmounted' };
        const isDraining = this.draining.has(name);
        const copyCount = this.#copyEntries().filter(([, { node }]) => node === name).length;
        return {
          name,
          down,
          isCordoned: this.cordoned.has(name) || isDraining,
          isDraining,
          copyCount,
        };
      }),
      copies: this.#copyEntries().map(([replicaId, copy]) => this.#statusOf(replicaId, copy)),
    };
  }

  #statusOf(replicaId: string, { node, state }: Copy): CopyStatus {
    const doneBytes = 1_000 - (this.remainingBytes.get(replicaId) ?? 0);
    const sync = {
      doneBytes,
      totalBytes: 1_000,
      differenceBytes: 1_000 - doneBytes,
      bytesPerSecond: 0,
      etaSeconds: 0,
    };
    return {
      ...{ replicaId, node, state, isPrimary: false },
      isConnected: this.running.includes(replicaId),
      ...(this.remainingBytes.has(replicaId) && this.running.includes(replicaId) ? { sync } : {}),
    };
  }

  /** The controller's part: strikes off what is away or to go, syncs what runs and may stay. */
  #control(): void {
    for (const [replicaId, { state }] of this.#copyEntries()) {
      const isUp = this.running.includes(replicaId);
      const isLast =
        this.#copyEntries().filter(([, copy]) => copy.state === 'in-sync').length === 1;
      const isLeaving = this.record.leaving.includes(replicaId);
      if (state === 'in-sync' && (!isUp || isLeaving) && !isLast)
        this.#setState(replicaId, 'stale');
      if (state === 'stale' && isUp && !isLeaving) this.#setState(replicaId, 'syncing');
    }
  }

  #carryOut(action: Action): void {
    switch (action.kind) {
      case 'start': {
        const { key } = action.process;
        this.#processes.set(key, {
          ...this.#process(key),
          state: 'ready',
          failingSinceMs: undefined,
        });
        return;
      }
      case 'stop':
        this.#end(action.key);
        return;
      case 'erase-copy': {
        const removed = this.record.removed.filter((copy) => copy.replicaId !== action.replicaId);
        this.record = { ...this.record, removed };
        this.#processes.delete(`default/demo ${action.replicaId}`);
        return;
      }
      default: // the record's edits are made together
    }
  }

  #isFailing(action: Action): boolean {
    return (
      action.kind === 'start' && (this.#processes.get(action.process.key)?.quickExits ?? 0) > 1
    );
  }

  #process(key: string): ObservedProcess {
    const role = key.endsWith('controller') ? 'controller' : 'replica';
    const fresh = {
      state: 'down',
      quickExits: 0,
      exitedAtMs: 0,
      failingSinceMs: undefined,
    } as const;
    return this.#processes.get(key) ?? { key, role, ...fresh };
  }

  #end(key: string): void {
    this.#processes.set(key, { ...this.#process(key), state: 'down', exitedAtMs: this.nowMs });
  }

  #setState(replicaId: string, state: Copy['state']): void {
    const { membership } = this.record;
    const copy = membership.copies[replicaId];
    if (copy === undefined) throw new Error(`no ${replicaId} in ${this.copies.join(', ')}`);
    const copies = { ...membership.copies, [replicaId]: { ...copy, state } };
    this.record = {
      ...this.record,
      membership: { ...membership, version: membership.version + 1, copies },
    };
  }

  #copyEntries(): [string, Copy][] {
    return Object.entries(this.record.membership.copies);
  }
}
