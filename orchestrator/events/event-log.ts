import type { EventView } from '../model/view.ts';

export type EventListener = (event: EventView) => void;

/** Which events are asked for; undefined: all. */
export interface EventFilter {
  /** `namespace/name`. */
  readonly volume?: string | undefined;
  readonly namespace?: string | undefined;
}

/** Enough for a reader that was away for a while; older events are in nobody's interest here. */
const KEPT_EVENTS = 1_000;

/** State changes in plain words: the last ones, and each new one to whoever listens. */
export class EventLog {
  readonly #now: () => Date;
  readonly #events: EventView[] = [];
  readonly #listeners = new Set<EventListener>();
  #lastSequence = 0;

  constructor(now: () => Date) {
    this.#now = now;
  }

  add(volume: string, message: string): void {
    this.#lastSequence += 1;
    const event = {
      sequence: this.#lastSequence,
      time: this.#now().toISOString(),
      volume,
      message,
    };
    this.#events.push(event);
    if (this.#events.length > KEPT_EVENTS) this.#events.shift();
    for (const listener of this.#listeners) listener(event);
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /**
   * The kept events that came after the one with this sequence number. A number that was not given
   * yet is one of an earlier orchestrator, after which everything came.
   */
  since(sequence: number, filter: EventFilter = {}): EventView[] {
    const first = sequence > this.#lastSequence ? 0 : sequence;
    return this.#events.filter((event) => event.sequence > first && isAbout(event, filter));
  }

  /** Calls `listener` with every new event until the returned function is called. */
  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export function isAbout(event: EventView, { volume, namespace }: EventFilter): boolean {
  if (volume !== undefined && event.volume !== volume) return false;
  return namespace === undefined || event.volume.startsWith(`${namespace}/`);
}
