import type { VolumeSpec } from '../protocol/registration.ts';
import type { Copies, CopyEntry } from './copies.ts';
import { decideStart, mayStart } from './gathering.ts';
import type { IoPath } from './io-path.ts';
import type { Leases } from './leases.ts';
import { notice, noticeLoss } from './notices.ts';
import type { RecordKeeper } from './record-keeper.ts';
import type { VolumeEffect } from './step.ts';
import type { SyncJobs } from './sync-jobs.ts';
import type { Timing } from './timing.ts';

export interface StartParts {
  readonly timing: Timing;
  readonly copies: Copies;
  readonly io: IoPath;
  readonly syncs: SyncJobs;
  readonly leases: Leases;
  readonly keeper: RecordKeeper;
  /** In [0, 1): picks among equal primaries (N5). */
  readonly random: number;
}

/**
 * From the claim of the epoch to the first I/O (design section 5, "Controller start"):
 * gathering → settling → equalising; back to gathering when a copy is lost on the way.
 */
export class VolumeStart {
  readonly #parts: StartParts;
  #phase: 'gathering' | 'settling' | 'equalising' = 'gathering';
  #deadlineMs: number;
  #saidMissing = '';

  constructor(parts: StartParts, nowMs: number) {
    this.#parts = parts;
    this.#deadlineMs = nowMs + parts.timing.gatherMs;
  }

  /** A copy was lost: what was decided may not be right any more. */
  gatherAgain(nowMs: number): void {
    if (this.#phase === 'gathering') return;
    this.#parts.syncs.stopEqualising();
    this.#phase = 'gathering';
    this.#deadlineMs = nowMs + this.#parts.timing.gatherMs;
  }

  get isEqualising(): boolean {
    return this.#phase === 'equalising';
  }

  /**
   * With every in-sync copy there, or without some once the wait is over, the start goes on. Returns
   * whether it is decided which copies stay; those that do not must leave the record next.
   */
  decide(spec: VolumeSpec, nowMs: number, effects: VolumeEffect[]): boolean {
    if (this.#phase !== 'gathering') return true;
    const { copies, io, syncs, random } = this.#parts;
    const inSync = copies.inSync();
    const isWaitOver = nowMs >= this.#deadlineMs;
    if (!mayStart(inSync, spec, isWaitOver)) {
      if (isWaitOver) this.#sayWhatIsMissing(inSync, effects);
      return false;
    }
    const decision = decideStart(inSync, random);
    if (decision === undefined) return false;
    for (const entry of inSync) {
      entry.mustLeave = decision.leaving.includes(entry);
      io.continueAfter(entry.welcome?.lastSeq ?? 0);
    }
    io.primary = decision.primary;
    syncs.rememberTail(decision.tail);
    noticeLoss(decision.loss, decision.primary, this.#parts, effects);
    copies.recount();
    this.#phase = 'settling';
    return true;
  }

  /** Once for each set of copies: what an operator wants to know when a volume does not come up. */
  #sayWhatIsMissing(inSync: readonly CopyEntry[], effects: VolumeEffect[]): void {
    const missing = inSync.filter(({ welcome }) => welcome === undefined);
    const names = missing
      .map(({ replicaId, record }) => `${replicaId} on ${record.node}`)
      .join(', ');
    if (names === this.#saidMissing) return;
    this.#saidMissing = names;
    const others = inSync.filter(({ welcome }) => welcome !== undefined);
    const mayLackWrites = others
      .filter(({ welcome }) => welcome?.restart === 'may-lack-writes')
      .map(({ replicaId }) => replicaId);
    effects.push(notice('waits for in-sync copies', { missing: names, mayLackWrites }));
  }

  /** The record knows which copies stay: they are made identical (I6). */
  equalise(nowMs: number, effects: VolumeEffect[]): void {
    if (this.#phase !== 'settling') return;
    this.#phase = 'equalising';
    this.#parts.syncs.startEqualising({ nowMs, effects });
  }

  /** Whether the first I/O may be served: no other controller can be reading any more (I7). */
  mayServe(nowMs: number, effects: VolumeEffect[]): boolean {
    if (this.#phase !== 'equalising' || !this.#parts.syncs.isEqualised) return false;
    const { foreignUntilMs } = this.#parts.leases;
    if (nowMs >= foreignUntilMs) return true;
    effects.push({ kind: 'wake', afterMs: foreignUntilMs - nowMs });
    return false;
  }
}
