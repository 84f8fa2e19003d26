import { runCommandLine } from '../../../../orchestrator/cli/run.ts';

export interface Typed {
  readonly environment?: Readonly<Record<string, string>>;
  /** What standard input holds. */
  readonly input?: string;
  /** Both outputs are a terminal. */
  readonly isInteractive?: boolean;
  readonly onOutput?: (text: string) => void;
  /** Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** What came of a command line. */
export interface Outcome {
  readonly out: string;
  readonly notes: string;
  /** What was thrown, if anything was. */
  readonly error: unknown;
}

/** Runs one command line in this process. Words are what spaces separate; "" is an empty one. */
export async function type(line: string, typed: Typed = {}): Promise<Outcome> {
  const { environment = {}, isInteractive = false } = typed;
  const shown = { out: '', notes: '' };
  const channel = (name: 'out' | 'notes') => ({
    isInteractive,
    write: (text: string) => {
      shown[name] += text;
      if (name === 'out') typed.onOutput?.(text);
    },
  });
  const terminal = {
    out: channel('out'),
    notes: channel('notes'),
    signal: typed.signal ?? new AbortController().signal,
    readInput: async () => typed.input ?? '',
  };
  try {
    const words = line.split(' ').filter(Boolean);
    await runCommandLine(
      words.map((word) => (word === '""' ? '' : word)),
      environment,
      terminal,
    );
    return { ...shown, error: undefined };
  } catch (error) {
    return { ...shown, error };
  }
}

/** As `type`, for what must succeed: what was printed. */
export async function typeOk(line: string, typed: Typed = {}): Promise<string> {
  const { out, error } = await type(line, typed);
  if (error !== undefined) throw error;
  return out;
}
