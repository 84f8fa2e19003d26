import { COMMON_OPTIONS } from './arguments.ts';
import { formatTable } from './columns.ts';
import type { Command, Option, Options } from './command.ts';
import { UsageError } from './errors.ts';
import { TOPICS, type Topic } from './topics.ts';

const TITLE = 'keelson - replicated block volumes';

/**
 * Help on all commands, on one, on those that begin alike, or on a topic.
 *
 * Errors: UsageError when the words name none of these.
 */
export function helpOn(words: readonly string[], commands: readonly Command[]): string {
  const text = words.join(' ');
  const topic = TOPICS.find(({ name }) => name === text);
  if (topic !== undefined) return topic.text;
  const command = commands.find((candidate) => candidate.words === text);
  if (command !== undefined) return describe(command);
  const alike = commands.filter((candidate) => candidate.words.startsWith(`${text} `));
  if (alike.length > 0) return `${listCommands(alike)}\n${HINT}`;
  if (words.length === 0) return overview(commands);
  // `volume create data --help`: what stands behind the command does not matter.
  if (words.length > 1) return helpOn(words.slice(0, -1), commands);
  throw new UsageError(`unknown command: ${text}`);
}

/** All of the help as one Markdown document: docs/cli.md. */
export function makeReference(commands: readonly Command[]): string {
  const sections = commands.map((command) =>
    section(`keelson ${command.words}`, describe(command)),
  );
  const topics = TOPICS.map(({ about, text }: Topic) => section(capital(about), text));
  return `# The command line

Made from the commands themselves by \`npm run -s keelson -- help --markdown > docs/cli.md\`; a test
holds it against them.

${fenced(overview(commands))}
${[...sections, ...topics].join('\n')}`;
}

const HINT = 'keelson help COMMAND tells more, with an example.\n';

function overview(commands: readonly Command[]): string {
  const topics = TOPICS.map(({ name, about }) => [`  keelson help ${name}`, about]);
  return `${TITLE}

${listCommands(commands)}
Every command takes:

${listOptions(COMMON_OPTIONS)}
${HINT}
${formatTable(topics)}`;
}

function listCommands(commands: readonly Command[]): string {
  return formatTable(
    commands.map((command) => [`  ${usageOf(command, { isShort: true })}`, command.about]),
  );
}

function describe(command: Command): string {
  const { about, details, example, options } = command;
  const own = Object.keys(options).length === 0 ? '' : `${listOptions(options)}\n`;
  return `${usageOf(command)}

${capital(about)}.${details === undefined ? '' : `\n${details}`}

${own}${listOptions(COMMON_OPTIONS)}
${example
  .split('\n')
  .map((line) => `  ${line}\n`)
  .join('')}`;
}

/** `keelson volume create [options] NAME`. */
function usageOf({ words, operand, options }: Command, { isShort } = { isShort: false }): string {
  const parts = ['keelson', words];
  if (!isShort && Object.keys(options).length > 0) parts.push('[options]');
  if (operand?.count === 'one') parts.push(operand.value);
  if (operand?.count === 'optional') parts.push(`[${operand.value}]`);
  if (operand?.count === 'any') parts.push(`[${operand.value}...]`);
  return parts.join(' ');
}

function listOptions(options: Options): string {
  return formatTable(
    Object.entries(options).map(([name, option]) => [`  ${nameOf(name, option)}`, aboutOf(option)]),
  );
}

/** `-n, --namespace NAMESPACE`; those without a letter are below those with one. */
function nameOf(name: string, option: Option): string {
  const short = option.short === undefined ? '    ' : `-${option.short}, `;
  return `${short}--${name}${option.type === 'flag' ? '' : ` ${option.value}`}`;
}

function aboutOf(option: Option): string {
  return option.type === 'list' ? `${option.about} (may be repeated)` : option.about;
}

function section(title: string, text: string): string {
  return `## ${title}\n\n${fenced(text)}`;
}

function fenced(text: string): string {
  return `\`\`\`\n${text}\`\`\`\n`;
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
