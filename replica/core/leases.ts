import type { Lease } from '../protocol/hello.ts';

/**
 * The longest lease on reads that is granted, and what every holder is taken to have when a process
 * starts that does not remember (ADR 0013). No shorter than the 5 s that controllers ask for.
 */
export const ASSUMED_LEASE_MS = 6_000;

/** Which controllers may hold a lease on reads from this copy, and until when (I7). */
export class Leases {
  readonly #longestMs: number;
  readonly #untilMs = new Map<string, number>();
  /** Holders that an earlier process granted to; their leases count from our first moment. */
  #inherited: readonly string[];

  constructor(holders: readonly string[], longestMs: number) {
    this.#inherited = holders;
    this.#longestMs = longestMs;
  }

  /** Promises `instanceId` that nobody else is granted one without being told of this one. */
  grant(instanceId: string, lengthMs: number, nowMs: number): void {
    const untilMs = nowMs + Math.min(lengthMs, this.#longestMs);
    this.#untilMs.set(instanceId, Math.max(untilMs, this.#untilMs.get(instanceId) ?? 0));
  }

  /** It said that it reads no more. */
  release(instanceId: string): void {
    this.#untilMs.delete(instanceId);
  }

  /** Those that have not run out, but for those of `instanceId` itself. */
  runningBeside(instanceId: string | null, nowMs: number): Lease[] {
    for (const holder of this.#inherited) this.grant(holder, this.#longestMs, nowMs);
    this.#inherited = [];
    const running: Lease[] = [];
    for (const [holder, untilMs] of this.#untilMs) {
      if (untilMs <= nowMs) this.#untilMs.delete(holder);
      else if (holder !== instanceId) {
        running.push({ instanceId: holder, remainingMs: Math.ceil(untilMs - nowMs) });
      }
    }
    return running;
  }
}
