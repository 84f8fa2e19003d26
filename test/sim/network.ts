import type { Frame } from '../../replica/protocol/frame.ts';
import type { Hello, Refusal, Welcome } from '../../replica/protocol/hello.ts';
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

/** How long a message takes on its way. */
export interface Delays {
  readonly minMs: number;
  readonly maxMs: number;
}

export const NORMAL_DELAYS: Delays = { minMs: 0.1, maxMs: 2 };

/** One way between two hosts. What is sent while it is cut waits, as TCP sends again and again. */
export class Route {
  #isCut = false;
  readonly #held: (() => void)[] = [];

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    this.#isCut = false;
    for (const action of this.#held.splice(0)) action();
  }

  /** Runs the action now, or once the route is healed. */
  pass(action: () => void): void {
    if (this.#isCut) this.#held.push(action);
    else action();
  }
}

/** All hosts, and every connection between them. */
export class Network {
  delays = NORMAL_DELAYS;
  readonly connections = new Set<Connection>();
  readonly #scheduler: Scheduler;
  readonly #routes = new Map<string, Route>();
  #lastId = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  route(from: string, to: string): Route {
    const name = `${from} ${to}`;
    let route = this.#routes.get(name);
    if (route === undefined) {
      route = new Route();
      this.#routes.set(name, route);
    }
    return route;
  }

  healAll(): void {
    for (const route of this.#routes.values()) route.heal();
  }

  randomDelayMs(): number {
    return this.#scheduler.random.between(this.delays.minMs, this.delays.maxMs);
  }

  /** One message by itself, as a request over HTTP is; it may overtake others. */
  send(from: string, to: string, deliver: () => void): void {
    const route = this.route(from, to);
    this.#scheduler.after(this.randomDelayMs(), () => route.pass(deliver));
  }

  connect(
    hosts: { readonly controller: string; readonly replica: string },
    ends: {
      readonly toReplica: (connection: Connection, message: ToReplica) => void;
      readonly toController: (connection: Connection, message: ToController) => void;
    },
  ): Connection {
    this.#lastId += 1;
    const { controller, replica } = hosts;
    const parts = { scheduler: this.#scheduler, network: this };
    const there = { ...parts, route: this.route(controller, replica) };
    const back = { ...parts, route: this.route(replica, controller) };
    const connection: Connection = {
      ...{ id: this.#lastId, hosts },
      toReplica: new Pipe(there, (message) => {
        if (message.kind === 'closed') this.connections.delete(connection);
        ends.toReplica(connection, message);
      }),
      toController: new Pipe(back, (message) => {
        if (message.kind === 'closed') this.connections.delete(connection);
        ends.toController(connection, message);
      }),
    };
    this.connections.add(connection);
    return connection;
  }
}

export interface Connection {
  readonly id: number;
  readonly hosts: { readonly controller: string; readonly replica: string };
  readonly toReplica: Pipe<ToReplica>;
  readonly toController: Pipe<ToController>;
}

/** The network drops a connection: both ends learn of it, each in its own time. */
export function breakConnection({ toReplica, toController }: Connection): void {
  toReplica.end({ kind: 'closed' });
  toController.end({ kind: 'closed' });
}

/** One direction of a connection: in order, each message after a delay of its own. */
export class Pipe<Message> {
  readonly #scheduler: Scheduler;
  readonly #network: Network;
  readonly #route: Route;
  readonly #deliver: (message: Message) => void;
  #lastMs = 0;
  /** What would arrive later than this is lost. */
  #endMs = Number.POSITIVE_INFINITY;

  constructor(
    parts: { scheduler: Scheduler; network: Network; route: Route },
    deliver: (message: Message) => void,
  ) {
    this.#scheduler = parts.scheduler;
    this.#network = parts.network;
    this.#route = parts.route;
    this.#deliver = deliver;
  }

  send(message: Message): void {
    if (this.#endMs !== Number.POSITIVE_INFINITY) return;
    const { nowMs } = this.#scheduler;
    const dueMs = Math.max(this.#lastMs, nowMs + this.#network.randomDelayMs());
    this.#lastMs = dueMs;
    this.#scheduler.after(dueMs - nowMs, () => this.#arrive(message));
  }

  #arrive(message: Message): void {
    if (this.#scheduler.nowMs > this.#endMs) return;
    if (this.#route.isCut) this.#route.pass(() => this.#arrive(message));
    else this.#deliver(message);
  }

  /** The sender is gone: loses what is under way from a random moment on; `last` comes instead. */
  end(last: Message): void {
    if (this.#endMs !== Number.POSITIVE_INFINITY) return;
    const delayMs = this.#network.randomDelayMs();
    this.#endMs = this.#scheduler.nowMs + delayMs;
    this.#scheduler.after(delayMs, () => this.#route.pass(() => this.#deliver(last)));
  }

  /** The sender lost power: nothing more comes, and nobody says so. */
  vanish(): void {
    this.#endMs = Math.min(this.#endMs, this.#scheduler.nowMs + this.#network.delays.minMs);
  }
}
