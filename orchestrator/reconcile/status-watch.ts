import type { ControllerStatus, CopyStatus } from '../../controller/protocol/status.ts';
import { monotonicClock } from '../../replica/common/clock.ts';
import type { Endpoint } from '../model/address-plan.ts';
import { LOOK_AGAIN_MS } from '../plan/backoff.ts';

/** An answer older than this says nothing any more. */
const VALID_MS = 2 * LOOK_AGAIN_MS;

interface Watched {
  askedAtMs: number;
  answer: { readonly copies: readonly CopyStatus[]; readonly atMs: number } | undefined;
}

/**
 * What controllers say of their copies, for as long as a plan depends on it. Asking never holds up
 * a plan: the answer starts the next one.
 */
export class StatusWatch {
  readonly #fetch: (admin: Endpoint) => Promise<ControllerStatus | undefined>;
  readonly #onAnswer: (address: string) => void;
  readonly #watched = new Map<string, Watched>();

  constructor(
    fetch: (admin: Endpoint) => Promise<ControllerStatus | undefined>,
    onAnswer: (address: string) => void,
  ) {
    this.#fetch = fetch;
    this.#onAnswer = onAnswer;
  }

  copiesOf(address: string): readonly CopyStatus[] | undefined {
    const answer = this.#watched.get(address)?.answer;
    if (answer === undefined || monotonicClock.nowMs() - answer.atMs > VALID_MS) return undefined;
    return answer.copies;
  }

  /** Asks the controller, unless it was asked a moment ago. */
  ask(address: string, admin: Endpoint): void {
    const nowMs = monotonicClock.nowMs();
    const watched = this.#watched.get(address) ?? { askedAtMs: -LOOK_AGAIN_MS, answer: undefined };
    if (nowMs - watched.askedAtMs < LOOK_AGAIN_MS) return;
    watched.askedAtMs = nowMs;
    this.#watched.set(address, watched);
    void this.#take(address, admin, watched);
  }

  /** What was heard must not decide anything the next time. */
  forget(address: string): void {
    this.#watched.delete(address);
  }

  async #take(address: string, admin: Endpoint, watched: Watched): Promise<void> {
    const status = await this.#fetch(admin);
    if (status === undefined || this.#watched.get(address) !== watched) return;
    watched.answer = { copies: status.copies, atMs: monotonicClock.nowMs() };
    this.#onAnswer(address);
  }
}
