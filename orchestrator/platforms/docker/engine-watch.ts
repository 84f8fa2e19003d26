import { monotonicClock } from '../../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../../replica/common/errors.ts';
import type { Engine, EngineEvent, FoundContainer } from './engine.ts';

export interface EngineWatchOptions {
  readonly engine: Engine;
  readonly installation: string;
  readonly onEvent: (event: EngineEvent) => void;
  /** What is known at this moment; `onList` gets it back. */
  readonly mark: () => number;
  /** All containers there were since the mark, after every connection and now and then. */
  readonly onList: (found: readonly FoundContainer[], mark: number) => void;
  /** After every connection, before the engine counts as back. Errors: none. */
  readonly onConnect: () => Promise<void>;
  /** The engine went away, or is back. */
  readonly onChange: () => void;
}

/** An engine that is away is asked again after this, then after twice that, up to the limit. */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

/** Events tell of everything. This is for an event that was lost all the same. */
const RELIST_MS = 60_000;

/** Follows one engine: its events while it is there, its return while it is not. */
export class EngineWatch {
  readonly engine: Engine;
  readonly #options: EngineWatchOptions;
  #down: { readonly sinceMs: number; readonly reason: string } | undefined;
  #connection: { close(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #isClosed = false;

  constructor(options: EngineWatchOptions) {
    this.engine = options.engine;
    this.#options = options;
    this.#down = { sinceMs: monotonicClock.nowMs(), reason: 'was not asked yet' };
  }

  /** Undefined while it answers. */
  get down(): { readonly sinceMs: number; readonly reason: string } | undefined {
    return this.#down;
  }

  /** Resolves when it was asked once, whether it answered or not. */
  open(): Promise<void> {
    return this.#connect();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#connection?.close();
  }

  /** Lists what there is, now. */
  look(): void {
    if (this.#down === undefined) this.#later(0, () => this.#relist());
  }

  async #connect(): Promise<void> {
    const { engine, installation, onEvent, onConnect, onChange } = this.#options;
    const reason = `engine ${engine.url}: its event stream ended`;
    let hasEnded = false;
    const onEnd = () => {
      hasEnded = true;
      // Before that those who wait below see it.
      if (this.#down === undefined) this.#goDown(reason);
    };
    try {
      // First the stream, then the list: what happens in between is in both.
      this.#connection = await engine.watch(installation, onEvent, onEnd);
      await this.#list();
      await onConnect();
      if (hasEnded) throw new KeelsonError('UNAVAILABLE', reason);
      this.#retryMs = FIRST_RETRY_MS;
      this.#down = undefined;
      this.#later(RELIST_MS, () => this.#relist());
      onChange();
    } catch (error) {
      this.#connection?.close();
      this.#goDown(messageOf(error));
    }
  }

  async #list(): Promise<void> {
    const { engine, installation, mark: markNow, onList } = this.#options;
    const mark = markNow();
    const found = await engine.containers(installation);
    if (!this.#isClosed) onList(found, mark);
  }

  async #relist(): Promise<void> {
    try {
      await this.#list();
      this.#later(RELIST_MS, () => this.#relist());
    } catch (error) {
      this.#connection?.close();
      this.#goDown(messageOf(error));
    }
  }

  #goDown(reason: string): void {
    if (this.#isClosed) return;
    const wasUp = this.#down === undefined;
    this.#down = { sinceMs: this.#down?.sinceMs ?? monotonicClock.nowMs(), reason };
    if (wasUp) this.#options.onChange();
    this.#later(this.#retryMs, () => this.#connect());
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
  }

  #later(delayMs: number, then: () => Promise<void>): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void then(), delayMs);
  }
}
