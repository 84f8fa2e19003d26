import type { ApiClient } from '../client/api-client.ts';
import type { OutputFormat } from './output.ts';
import type { Terminal } from './terminal.ts';

/** What completion offers: words that are known, or names that only the API or the disk knows. */
export type Completion = readonly string[] | 'volume' | 'rule' | 'node' | 'file' | 'label' | 'help';

interface Described {
  readonly about: string;
  readonly short?: string;
}

interface Valued extends Described {
  /** Stands for the value in usage and help: `KEY=VALUE`. */
  readonly value: string;
  readonly completes?: Completion;
}

export type Option =
  | (Described & { readonly type: 'flag' })
  | (Valued & { readonly type: 'text' })
  /** May be given again and again. */
  | (Valued & { readonly type: 'list' });

export type Options = Readonly<Record<string, Option>>;

/** What the command line gave for `Options`. */
export type Given<O extends Options> = {
  readonly [Name in keyof O]: O[Name] extends { type: 'flag' }
    ? boolean
    : O[Name] extends { type: 'list' }
      ? readonly string[]
      : string | undefined;
};

/** What a command takes besides options. */
export interface Operand {
  /** Stands for it in usage and help: `NAME`. */
  readonly value: string;
  /** What it is, in messages: `volume`. */
  readonly what: string;
  readonly count: 'one' | 'optional' | 'any';
  readonly completes?: Completion;
}

/** One command with its own options, and what it has to work with. */
export interface Call<O extends Options = Options> {
  readonly names: readonly string[];
  readonly given: Given<O>;
  readonly output: OutputFormat;
  readonly terminal: Terminal;
  /** All commands there are, for those that speak about commands. */
  readonly commands: readonly Command[];
  /** Errors: those of reading the token; who never calls it needs no orchestrator. */
  connect(): Promise<ApiClient>;
}

/**
 * A command of `keelson`. Parsing, help, the reference in docs/cli.md and completion are all made
 * from these, so that none of them knows more or less than another.
 */
export interface Command<O extends Options = Options> {
  /** `volume create`, or one word. */
  readonly words: string;
  /** One line, without a full stop. */
  readonly about: string;
  readonly operand?: Operand;
  readonly options: O;
  /** What one line cannot say. */
  readonly details?: string;
  /** Command lines that work, one a line. */
  readonly example: string;
  /** Errors: UsageError; KeelsonError; Interrupted. Checks what it was given before it connects. */
  run(call: Call<O>): Promise<void>;
}

/** Lets the type of a command's options decide what its `run` is given. */
export function defineCommand<const O extends Options>(command: Command<O>): Command {
  return command as unknown as Command;
}
