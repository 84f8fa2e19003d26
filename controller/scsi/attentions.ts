import type { NexusId } from './plan.ts';
import { SENSE, type SenseCode } from './sense.ts';

/**
 * Unit attention conditions, first in first out for each nexus (SAM-5 clause 5.14). At most one of
 * each kind is pending, so a queue stays short.
 */
export class Attentions {
  readonly #open = new Set<NexusId>();
  /** Only nexuses that have something pending: the usual command sees an empty map. */
  readonly #pending = new Map<NexusId, SenseCode[]>();

  opened(nexus: NexusId): void {
    this.#open.add(nexus);
    this.#pending.set(nexus, [SENSE.POWER_ON]);
  }

  closed(nexus: NexusId): void {
    this.#open.delete(nexus);
    this.#pending.delete(nexus);
  }

  raiseOnAll(code: SenseCode): void {
    for (const nexus of this.#open) this.#raise(nexus, code);
  }

  raiseOn(nexuses: readonly NexusId[], code: SenseCode): void {
    for (const nexus of nexuses) {
      if (this.#open.has(nexus)) this.#raise(nexus, code);
    }
  }

  raiseOnOthers(nexus: NexusId, code: SenseCode): void {
    for (const other of this.#open) {
      if (other !== nexus) this.#raise(other, code);
    }
  }

  take(nexus: NexusId): SenseCode | undefined {
    if (this.#pending.size === 0) return undefined;
    const queue = this.#pending.get(nexus);
    const code = queue?.shift();
    if (queue?.length === 0) this.#pending.delete(nexus);
    return code;
  }

  #raise(nexus: NexusId, code: SenseCode): void {
    const queue = this.#pending.get(nexus);
    if (queue === undefined) this.#pending.set(nexus, [code]);
    else if (!queue.includes(code)) queue.push(code);
  }
}
