import type { Frame } from '../../../replica/protocol/frame.ts';
import type { Hello, Refusal, Welcome } from '../../../replica/protocol/hello.ts';
import type { Scheduler } from './scheduler.ts';

export type ToReplica =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'closed' };

export type ToController =
  | { readonly kind: 'welcome'; readonly welcome: Welcome }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'closed' };

/** Longest way of one message. */
const MAX_DELAY_MS = 4;

/** What holds back everything that goes one way, on whatever connection, until it is let go. */
export class Valve {
  isShut = false;
  readonly #held: (() => void)[] = [];

  hold(action: () => void): void {
    this.#held.push(action);
  }

  open(): void {
    this.isShut = false;
    for (const action of this.#held.splice(0)) action();
  }
}

/** One direction of a connection: in order, each message after a delay of its own. */
export class Pipe<Message> {
  readonly #scheduler: Scheduler;
  readonly #valve: Valve;
  readonly #deliver: (message: Message) => void;
  #lastMs = 0;
  /** What would arrive later than this is lost. */
  #cutMs = Number.POSITIVE_INFINITY;

  constructor(scheduler: Scheduler, valve: Valve, deliver: (message: Message) => void) {
    this.#scheduler = scheduler;
    this.#valve = valve;
    this.#deliver = deliver;
  }

  send(message: Message): void {
    const { nowMs } = this.#scheduler;
    const dueMs = Math.max(this.#lastMs, nowMs + this.#scheduler.between(0.1, MAX_DELAY_MS));
    this.#lastMs = dueMs;
    this.#scheduler.after(dueMs - nowMs, () => this.#arrive(message));
  }

  #arrive(message: Message): void {
    if (this.#scheduler.nowMs > this.#cutMs) return;
    if (this.#valve.isShut) this.#valve.hold(() => this.#arrive(message));
    else this.#deliver(message);
  }

  /** Loses what is under way from a random moment on; `last` arrives instead, past any valve. */
  cut(last: Message): void {
    if (this.#cutMs !== Number.POSITIVE_INFINITY) return;
    const delayMs = this.#scheduler.between(0, MAX_DELAY_MS);
    this.#cutMs = this.#scheduler.nowMs + delayMs;
    this.#scheduler.after(delayMs, () => this.#deliver(last));
  }
}

export interface Connection {
  readonly id: number;
  readonly toReplica: Pipe<ToReplica>;
  readonly toController: Pipe<ToController>;
}

/** The network drops a connection: both ends learn of it, each in its own time. */
export function breakConnection({ toReplica, toController }: Connection): void {
  toReplica.cut({ kind: 'closed' });
  toController.cut({ kind: 'closed' });
}
