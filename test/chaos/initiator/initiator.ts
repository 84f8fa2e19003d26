import { setTimeout as pause } from 'node:timers/promises';
import type { Answer } from './answers.ts';
import type { ScsiCommand } from './commands.ts';
import { logIn, type Target } from './login.ts';
import type { Session } from './session.ts';

/** A killed controller needs about this long at least; asking more often only costs CPU. */
const RECONNECT_PAUSE_MS = 100;

/**
 * Stays logged in to one target across whatever happens to it, as a kernel does. What to repeat is
 * up to the caller: an answer may be `lost`.
 */
export class Initiator {
  readonly #target: Target;
  readonly #onSession: (text: string) => void;
  #session: Session | undefined;
  #sessionCount = 0;
  #waiters: (() => void)[] = [];
  #isStopped = false;
  readonly #loop: Promise<void>;

  /** @param onSession is told of each beginning and end of a session */
  constructor(target: Target, onSession: (text: string) => void) {
    this.#target = target;
    this.#onSession = onSession;
    this.#loop = this.#stayConnected();
  }

  get sessionCount(): number {
    return this.#sessionCount;
  }

  /** Waits for a session, then makes one attempt. */
  async execute(command: ScsiCommand): Promise<Answer> {
    while (this.#session === undefined && !this.#isStopped) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    return this.#session?.execute(command) ?? { kind: 'lost', reason: 'the initiator stopped' };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#session?.end('the initiator stopped');
    this.#wake();
    await this.#loop;
  }

  async #stayConnected(): Promise<void> {
    let lastRefusal = '';
    while (!this.#isStopped) {
      const session = await logIn(this.#target);
      if (typeof session === 'string') {
        if (session !== lastRefusal) this.#onSession(`cannot log in: ${session}`);
        lastRefusal = session;
        await pause(RECONNECT_PAUSE_MS);
        continue;
      }
      lastRefusal = '';
      this.#session = session;
      this.#sessionCount += 1;
      this.#onSession('logged in');
      this.#wake();
      if (this.#isStopped) session.end('the initiator stopped');
      const reason = await session.ended;
      this.#session = undefined;
      this.#onSession(`session ended: ${reason}`);
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
