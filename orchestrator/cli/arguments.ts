import { parseArgs } from 'node:util';
import { assert } from '../../replica/common/assert.ts';
import { systemCodeOf } from '../../replica/common/errors.ts';
import type { Command, Given, Option, Options } from './command.ts';
import { UsageError } from './errors.ts';
import { OUTPUT_FORMATS, type OutputFormat } from './output.ts';

export const DEFAULT_API = 'http://127.0.0.1:5705';

/** What every command takes. */
export const COMMON_OPTIONS = {
  output: {
    type: 'text',
    short: 'o',
    value: OUTPUT_FORMATS.join('|'),
    completes: OUTPUT_FORMATS,
    about: 'how to print; default: table. wide has more columns',
  },
  api: { type: 'text', value: 'URL', about: `default: $KEELSON_API or ${DEFAULT_API}` },
  'token-file': {
    type: 'text',
    value: 'FILE',
    completes: 'file',
    about: 'holds the token of the API; default: $KEELSON_TOKEN_FILE, or $KEELSON_TOKEN itself',
  },
  help: { type: 'flag', short: 'h', about: 'tells about a command' },
} as const satisfies Options;

/** Where the orchestrator is, and what to show it. */
export interface Access {
  readonly api: string;
  readonly tokenFile?: string;
  readonly token?: string;
}

export interface CommandLine {
  readonly command: Command;
  readonly names: readonly string[];
  readonly given: Given<Options>;
  readonly output: OutputFormat;
  readonly access: Access;
}

export type Environment = Readonly<Record<string, string | undefined>>;
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** Takes a value and may stand before the command: the loose look must not take that for a word. */
export const BEFORE_COMMAND: Options = {
  ...COMMON_OPTIONS,
  namespace: { type: 'text', short: 'n', value: 'NAMESPACE', about: '' },
};

/** Errors: UsageError. */
export function parseCommandLine(
  words: readonly string[],
  commands: readonly Command[],
  environment: Environment,
): CommandLine {
  const loose = parseArgs({
    args: [...words],
    options: forParseArgs(BEFORE_COMMAND),
    strict: false,
    allowPositionals: true,
  });
  if (loose.values.help === true || loose.positionals.length === 0) {
    return parseHelp(loose.positionals, commands, environment);
  }
  const command = findCommand(loose.positionals, commands);
  const { values, positionals } = parseStrictly(words, command);
  const names = positionals.slice(command.words.split(' ').length);
  checkCount(command, names);
  return {
    command,
    names,
    given: giveAll(command.options, values),
    output: readOutput(values.output, command),
    access: readAccess(values, environment),
  };
}

/** The command that the first words name. Errors: UsageError, with those that there are. */
export function findCommand(words: readonly string[], commands: readonly Command[]): Command {
  const [noun = '', verb = ''] = words;
  const found = commands.find(({ words: named }) => named === noun || named === `${noun} ${verb}`);
  if (found !== undefined) return found;
  const verbs = commands
    .filter(({ words: named }) => named.startsWith(`${noun} `))
    .map(({ words: named }) => named.slice(noun.length + 1));
  if (verbs.length === 0) throw new UsageError(`unknown command: ${noun}`);
  const got = verb === '' ? 'nothing' : verb;
  throw new UsageError(`keelson ${noun}: expected ${listOf(verbs)}, got ${got}`, noun);
}

/** As `parseArgs` of Node.js wants to know them. */
export function forParseArgs(options: Options) {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, describeOption(option)]),
  );
}

/** `--help` anywhere is the help command with the words that stand there. */
function parseHelp(
  words: readonly string[],
  commands: readonly Command[],
  environment: Environment,
): CommandLine {
  const command = commands.find((candidate) => candidate.words === 'help');
  assert(command !== undefined, 'there is a help command');
  const access = readAccess({}, environment);
  return { command, names: words, given: giveAll(command.options, {}), output: 'table', access };
}

function parseStrictly(
  words: readonly string[],
  command: Command,
): { values: Values; positionals: string[] } {
  const known = forParseArgs({ ...COMMON_OPTIONS, ...command.options });
  try {
    return parseArgs({ args: [...words], options: known, allowPositionals: true });
  } catch (error) {
    throw new UsageError(explainRefusal(error, command), command.words);
  }
}

/** In our words: those of Node.js explain quoting to programmers. */
function explainRefusal(error: unknown, { words, options }: Command): string {
  const [name = 'such option'] = /--?[\w][\w-]*/.exec(String(error)) ?? [];
  const known: Options = { ...COMMON_OPTIONS, ...options };
  const option = /--([\w-]+)/.exec(String(error))?.[1] ?? '';
  const found = known[option];
  if (systemCodeOf(error) === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || found === undefined) {
    return `${words} takes no ${name}`;
  }
  if (found.type === 'flag') return `${words}: --${option} takes no value`;
  return `${words}: expected ${found.value} behind --${option}, or --${option}=${found.value}`;
}

function describeOption(option: Option) {
  return {
    type: option.type === 'flag' ? ('boolean' as const) : ('string' as const),
    multiple: option.type === 'list',
    ...(option.short === undefined ? {} : { short: option.short }),
  };
}

/** Every option of the command: flags that were not given are false, lists empty. */
function giveAll(options: Options, values: Values): Given<Options> {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => {
      const value = values[name];
      if (option.type === 'flag') return [name, value === true];
      return [name, option.type === 'list' ? (value ?? []) : value];
    }),
  ) as Given<Options>;
}

function checkCount({ words, operand }: Command, names: readonly string[]): void {
  if (operand === undefined && names.length > 0) {
    throw new UsageError(`${words} takes no name, got ${names.join(' ')}`, words);
  }
  if (operand === undefined || operand.count === 'any') return;
  const isEnough = names.length === 1 || (operand.count === 'optional' && names.length === 0);
  if (isEnough) return;
  throw new UsageError(`${words}: expected one ${operand.what}, got ${names.length}`, words);
}

function readOutput(value: Values[string], { words }: Command): OutputFormat {
  const name = value ?? 'table';
  const format = OUTPUT_FORMATS.find((candidate) => candidate === name);
  if (format !== undefined) return format;
  throw new UsageError(`--output: expected ${listOf(OUTPUT_FORMATS)}, got ${name}`, words);
}

/** Errors: UsageError. */
export function readAccess(values: Values, environment: Environment): Access {
  const api = String(values.api ?? environment.KEELSON_API ?? DEFAULT_API);
  if (!/^https?:$/.test(URL.parse(api)?.protocol ?? '')) {
    throw new UsageError(`--api: expected a URL such as ${DEFAULT_API}, got ${api}`);
  }
  const tokenFile = values['token-file'] ?? environment.KEELSON_TOKEN_FILE;
  const { KEELSON_TOKEN: token } = environment;
  return {
    api,
    ...(tokenFile === undefined ? {} : { tokenFile: String(tokenFile) }),
    ...(token === undefined ? {} : { token }),
  };
}

/** `a, b or c`. */
export function listOf(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}
