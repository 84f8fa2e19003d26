import { Clock } from './clock.ts';
import type { Scheduler } from './scheduler.ts';

export interface ProcessOptions {
  readonly hasDrift: boolean;
  /** Chance that a turn keeps the process busy for a while, so that what comes meanwhile gathers. */
  readonly busyRate: number;
}

/** The longest that one turn keeps a process from its next. */
const MAX_BUSY_MS = 3;

/**
 * A process with one thread and a clock of its own. What happens to it waits while it is busy or
 * stopped, and is then done in the order in which it came. A killed one does nothing any more.
 */
export class Process {
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #options: ProcessOptions;
  readonly #inbox: (() => void)[] = [];
  /** How often it was stopped. */
  pauseCount = 0;
  #isAlive = true;
  #isPaused = false;
  #isBusy = false;
  #isInTurn = false;

  constructor(scheduler: Scheduler, options: ProcessOptions) {
    this.#scheduler = scheduler;
    this.#options = options;
    this.clock = new Clock(scheduler, options.hasDrift);
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Something happened; `turn` deals with it, now or when the process gets to it. */
  post(turn: () => void): void {
    if (!this.#isAlive) return;
    this.#inbox.push(turn);
    this.#work();
  }

  /** A timer by this process's own clock. */
  after(localMs: number, turn: () => void): void {
    this.#scheduler.after(this.clock.realMs(localMs), () => this.post(turn));
  }

  /** SIGSTOP. */
  pause(): void {
    this.pauseCount += 1;
    this.#isPaused = true;
  }

  /** SIGCONT. */
  resume(): void {
    this.#isPaused = false;
    this.#work();
  }

  /** Its end, by itself or by SIGKILL. */
  end(): void {
    this.#isAlive = false;
    this.#inbox.length = 0;
  }

  #work(): void {
    if (this.#isInTurn) return;
    this.#isInTurn = true;
    while (this.#isAlive && !this.#isPaused && !this.#isBusy) {
      const turn = this.#inbox.shift();
      if (turn === undefined) break;
      turn();
      if (this.#scheduler.random.chance(this.#options.busyRate)) this.#beBusy();
    }
    this.#isInTurn = false;
  }

  #beBusy(): void {
    this.#isBusy = true;
    this.#scheduler.after(this.#scheduler.random.between(0.1, MAX_BUSY_MS), () => {
      this.#isBusy = false;
      this.#work();
    });
  }
}
