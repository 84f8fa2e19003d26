import type { Clock } from '../../replica/common/clock.ts';
import type { Log } from '../../replica/common/log.ts';

/** So many lines of one message in so long a time; a peer that tries again and again fills no disk. */
const MAX_LINES = 20;
const WINDOW_MS = 10_000;

interface Window {
  startMs: number;
  lineCount: number;
  unloggedCount: number;
}

/**
 * A log for what peers cause. What is left out is counted, and told with the next line of the same
 * message. Messages are constants, so there are a handful of windows.
 */
export class LimitedLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  write(level: 'info' | 'warn', message: string, fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.#clock.nowMs();
    const window = this.#windowOf(message, nowMs);
    window.lineCount += 1;
    if (window.lineCount > MAX_LINES) {
      window.unloggedCount += 1;
      return;
    }
    const { unloggedCount } = window;
    window.unloggedCount = 0;
    this.#log[level](message, unloggedCount === 0 ? fields : { ...fields, unloggedCount });
  }

  #windowOf(message: string, nowMs: number): Window {
    const known = this.#windows.get(message);
    if (known !== undefined && nowMs - known.startMs < WINDOW_MS) return known;
    const unloggedCount = known?.unloggedCount ?? 0;
    const window = { startMs: nowMs, lineCount: 0, unloggedCount };
    this.#windows.set(message, window);
    return window;
  }
}
