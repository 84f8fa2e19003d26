import type { EventView } from '../model/view.ts';

export type EventListener = (event: EventView) => void;

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

  /** The kept events that came after the one with this sequence number. */
  since(sequence: number): EventView[] {
    return this.#events.filter((event) => event.sequence > sequence);
  }

  /** Calls `listener` with every new event until the returned function is called. */
  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
