import { OPCODE } from '../../replica/protocol/constants.ts';
import type { Copies, CopyEntry } from './copies.ts';
import { type FrameNumbers, makeControl } from './frames.ts';
import { Leases } from './leases.ts';
import { Liveness } from './liveness.ts';
import type { CopyMask, VolumeEffect } from './step.ts';
import type { Timing } from './timing.ts';

/** Timers are not exact: a tick that comes a little early is the one that was meant. */
const EARLY = 0.9;

export interface LostCopy {
  readonly entry: CopyEntry;
  readonly reason: string;
}

/** Asks every copy for a sign of life and a lease on reads, and tells which gave none. */
export class Heartbeats {
  readonly leases: Leases;
  readonly #timing: Timing;
  readonly #numbers: FrameNumbers;
  readonly #liveness: Liveness;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** When a silence gets too long, if that is before the next beat. */
  #lossDueMs = Number.POSITIVE_INFINITY;

  constructor(
    timing: Timing,
    numbers: FrameNumbers,
    isOverdue: (copy: CopyMask, sinceMs: number) => boolean,
  ) {
    this.#timing = timing;
    this.#numbers = numbers;
    this.leases = new Leases(timing);
    this.#liveness = new Liveness(timing, isOverdue);
  }

  start(nowMs: number): void {
    this.#liveness.start(nowMs);
  }

  /** Ticks come also when something wanted to be woken; heartbeats keep their pace. */
  isDue(nowMs: number): boolean {
    return nowMs - this.#lastMs >= this.#timing.heartbeatMs * EARLY;
  }

  /**
   * Which copies must be given up, and why. Looks once per beat and when a silence gets too long, and
   * asks to be woken for that.
   */
  whoIsLost(copies: Copies, nowMs: number, effects: VolumeEffect[]): LostCopy[] {
    let lost: LostCopy[] = [];
    this.#liveness.forgiveSleep(copies.entries, nowMs);
    if (this.isDue(nowMs) || nowMs >= this.#lossDueMs) {
      lost = this.#liveness.findLost(copies.entries, nowMs);
      const others = copies.entries.filter((entry) => lost.every((one) => one.entry !== entry));
      this.#lossDueMs = this.#liveness.nextLossMs(others, nowMs);
    }
    // At each tick anew: of several wakes only the first counts.
    if (Number.isFinite(this.#lossDueMs)) {
      effects.push({ kind: 'wake', afterMs: this.#lossDueMs - nowMs });
    }
    return lost;
  }

  /** Carries stableSeq as well, to copies that are otherwise idle. */
  beat(copies: CopyMask, nowMs: number, effects: VolumeEffect[]): void {
    this.#lastMs = nowMs;
    this.send(copies, nowMs, effects);
  }

  /** Beside the beat, which keeps its pace: one that comes and goes must not keep others from theirs. */
  send(copies: CopyMask, nowMs: number, effects: VolumeEffect[]): void {
    if (copies === 0) return;
    const lease = { start: 0, end: this.#timing.leaseMs };
    const heartbeat = makeControl(this.#numbers, OPCODE.HEARTBEAT, copies, lease);
    this.leases.heartbeatSent(heartbeat.seq, nowMs);
    effects.push(heartbeat);
  }
}
