import { placeOfInstance } from '../protocol/instance-id.ts';
import type { Copies, CopyEntry } from './copies.ts';
import type { Timing } from './timing.ts';

/** Two clocks may run this much apart; a lease is counted on for so much less (ADR 0013). */
const COUNTED_ON = 0.8;
/** For the same reason a foreign lease is waited for longer than its copy says. */
const WAITED_OUT = 1.2;

interface Foreign {
  readonly instanceId: string;
  readonly untilMs: number;
}

/**
 * Leases on reads (I7): those that copies grant to this controller with every heartbeat, and those
 * that other controllers may still hold, which must be over before this one serves.
 */
export class Leases {
  readonly #timing: Timing;
  /** Heartbeats that may still be answered, oldest first. */
  #sent: { readonly seq: number; readonly sentMs: number }[] = [];
  #foreign: Foreign[] = [];
  #gone: ReadonlySet<string> = new Set();
  #ownPlace: string | undefined;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Who this controller is: those that began where it did have ended (ADR 0013). */
  startAs(instanceId: string): void {
    this.#ownPlace = placeOfInstance(instanceId);
  }

  heartbeatSent(seq: number, sentMs: number): void {
    const oldestMs = sentMs - this.#timing.leaseMs;
    this.#sent = this.#sent.filter((beat) => beat.sentMs > oldestMs);
    this.#sent.push({ seq, sentMs });
  }

  /** A lease runs from the moment at which it was asked for: the copy cannot have begun earlier. */
  heartbeatAnswered(entry: CopyEntry, seq: number, copies: Copies): void {
    const beat = this.#sent.find((candidate) => candidate.seq === seq);
    if (beat === undefined) return;
    entry.leaseUntilMs = Math.max(
      entry.leaseUntilMs,
      beat.sentMs + this.#timing.leaseMs * COUNTED_ON,
    );
    copies.recount();
  }

  /** What a copy has granted to others and not yet seen the end of. */
  learn({ welcome }: CopyEntry, nowMs: number): void {
    for (const { instanceId, remainingMs } of welcome?.leases ?? []) {
      this.#foreign.push({ instanceId, untilMs: nowMs + remainingMs * WAITED_OUT });
    }
  }

  /** These controllers, or all of these places, have ended: they read nothing any more. */
  forget(goneInstances: readonly string[]): void {
    this.#gone = new Set(goneInstances);
  }

  /** When no other controller can be reading any more; in the past if there is none. */
  get foreignUntilMs(): number {
    return this.#foreign
      .filter(({ instanceId }) => !this.#isGone(instanceId))
      .reduce((latestMs, { untilMs }) => Math.max(latestMs, untilMs), 0);
  }

  #isGone(instanceId: string): boolean {
    const place = placeOfInstance(instanceId);
    if (place !== undefined && (place === this.#ownPlace || this.#gone.has(place))) return true;
    return this.#gone.has(instanceId);
  }
}
