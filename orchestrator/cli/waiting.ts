import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { monotonicClock } from '../../replica/common/clock.ts';
import { KeelsonError } from '../../replica/common/errors.ts';
import { Interrupted } from './errors.ts';
import { Screen } from './screen.ts';
import type { Terminal } from './terminal.ts';

/** Something that comes about by itself. */
export interface Aim {
  /** `volume default/a is healthy`. */
  readonly what: string;
  /** What goes on when nobody waits any more. */
  readonly goesOn: string;
  /** Errors: those of the client; UNAVAILABLE is waited out. */
  look(): Promise<Sight>;
}

export interface Sight {
  /** What is still missing, in one line; undefined when it has come about. */
  readonly missing: string | undefined;
  /** What a terminal shows below that, drawn again as it changes. */
  readonly drawn?: string;
}

/** Progress comes with no event, so one looks again; nobody waits when nobody is there to see. */
const LOOK_AGAIN_MS = 250;

/**
 * Waits until `aim` has come about, and notes what is missing whenever that changes.
 *
 * Errors: Interrupted; UNAVAILABLE after `timeoutMs`; those of the aim.
 */
export async function waitFor(aim: Aim, terminal: Terminal, timeoutMs = Infinity): Promise<void> {
  const { notes, signal } = terminal;
  const screen = new Screen(notes);
  const startedAtMs = monotonicClock.nowMs();
  const ended = new AbortController();
  const interrupted = whenInterrupted(aim, signal, ended.signal);
  interrupted.catch(() => undefined); // it may come when nobody is interested any more
  let noted: string | undefined;
  try {
    for (;;) {
      const { missing, drawn = '' } = await Promise.race([lookAt(aim), interrupted]);
      if (missing === undefined) return;
      if (missing !== noted) screen.print(`${aim.what}: not yet, ${missing}\n`);
      noted = missing;
      if (notes.isInteractive) screen.draw(drawn);
      if (monotonicClock.nowMs() - startedAtMs >= timeoutMs) throw tooLate(aim, missing, timeoutMs);
      await Promise.race([setTimeout(LOOK_AGAIN_MS), interrupted]);
    }
  } finally {
    screen.draw('');
    ended.abort();
  }
}

/** An orchestrator that is being restarted does not end a wait. */
async function lookAt(aim: Aim): Promise<Sight> {
  try {
    return await aim.look();
  } catch (error) {
    if (error instanceof KeelsonError && error.code === 'UNAVAILABLE') {
      return { missing: error.message };
    }
    throw error;
  }
}

async function whenInterrupted(aim: Aim, signal: AbortSignal, ended: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort', { signal: ended });
  throw new Interrupted(`waits no longer until ${aim.what}; ${aim.goesOn}`);
}

function tooLate({ what, goesOn }: Aim, missing: string, timeoutMs: number): KeelsonError {
  const seconds = Math.ceil(timeoutMs / 1000);
  return new KeelsonError(
    'UNAVAILABLE',
    `expected within ${seconds} s that ${what}: not yet, ${missing}; ${goesOn}`,
  );
}
