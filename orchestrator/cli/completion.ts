import { parseArgs } from 'node:util';
import { BEFORE_COMMAND, COMMON_OPTIONS, forParseArgs, type Values } from './arguments.ts';
import type { Command, Completion, Options } from './command.ts';
import { LABELS } from './label-table.ts';
import { TOPICS, type Topic } from './topics.ts';

export interface Candidate {
  readonly text: string;
  /** What it is, for shells that show it. */
  readonly about: string;
}

/** What may stand where the cursor is. */
export type Offer =
  | { readonly kind: 'words'; readonly candidates: readonly Candidate[] }
  /** `prefix` stands before each: `--volume=`. */
  | { readonly kind: 'names'; readonly of: 'volume' | 'rule' | 'node'; readonly prefix: string }
  | { readonly kind: 'files' };

/** A command line that is still being typed, and what it has said so far. */
export interface Unfinished {
  /** What was typed of the last word. */
  readonly current: string;
  readonly values: Values;
  readonly offer: Offer;
}

/**
 * What completion offers for the last of `words`; the others stand before it. It is never sure that
 * they are right.
 */
export function complete(words: readonly string[], commands: readonly Command[]): Unfinished {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const { positionals: loose } = look(before, BEFORE_COMMAND);
  const command = commands.find(({ words: named }) => {
    return named === loose[0] || named === `${loose[0]} ${loose[1]}`;
  });
  const options = {
    ...(command === undefined ? BEFORE_COMMAND : COMMON_OPTIONS),
    ...command?.options,
  };
  const { positionals, values, waiting } = look(before, options);
  const names = positionals.slice(command?.words.split(' ').length ?? 0);
  const inline = /^--([\w-]+)=/.exec(current);
  const offer = (): Offer => {
    if (waiting !== undefined) return offerValue(options, waiting, '');
    if (inline !== null) return offerValue(options, inline[1] ?? '', inline[0]);
    if (current.startsWith('-')) return ofWords(optionsLeft(options, values));
    if (command === undefined) return ofWords(nextWords(positionals, commands));
    return offerOperand(command, names, commands);
  };
  return { current, values, offer: startingWith(current, offer()) };
}

/** What Node.js makes of words that need not be right, and the option that waits for its value. */
function look(words: readonly string[], options: Options) {
  const { values, positionals, tokens } = parseArgs({
    args: [...words],
    options: forParseArgs(options),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const last = tokens.at(-1);
  const isWaiting =
    last?.kind === 'option' && last.value === undefined && options[last.name]?.type !== 'flag';
  return { values, positionals, waiting: isWaiting ? last.name : undefined };
}

function offerValue(options: Options, name: string, prefix: string): Offer {
  const option = options[name];
  if (option === undefined || option.type === 'flag') return ofWords([]);
  return offerCompletion(option.completes, prefix);
}

function offerOperand(
  { operand }: Command,
  names: readonly string[],
  commands: readonly Command[],
): Offer {
  if (operand === undefined || (operand.count !== 'any' && names.length > 0)) return ofWords([]);
  if (operand.completes !== 'help') return offerCompletion(operand.completes, '');
  const next = nextWords(names, commands);
  if (names.length > 0) return ofWords(next);
  const isNew = ({ name }: Topic) => next.every(({ text }) => text !== name);
  const topics = TOPICS.filter(isNew).map(({ name, about }) => ({ text: name, about }));
  return ofWords([...next, ...topics]);
}

function offerCompletion(completes: Completion | undefined, prefix: string): Offer {
  switch (completes) {
    case undefined:
    case 'help':
      return ofWords([]);
    case 'file':
      return { kind: 'files' };
    case 'label':
      return ofWords(labelCandidates().map((one) => ({ ...one, text: `${prefix}${one.text}` })));
    case 'volume':
    case 'rule':
    case 'node':
      return { kind: 'names', of: completes, prefix };
    default:
      return ofWords(completes.map((word) => ({ text: `${prefix}${word}`, about: '' })));
  }
}

/** The words that may follow these ones: `ls` after `volume`. */
function nextWords(words: readonly string[], commands: readonly Command[]): Candidate[] {
  const start = words.map((word) => `${word} `).join('');
  const next = new Map<string, string[]>();
  for (const { words: named, about } of commands) {
    if (!named.startsWith(start)) continue;
    const [word = '', ...rest] = named.slice(start.length).split(' ');
    next.set(word, [...(next.get(word) ?? []), rest.length === 0 ? about : rest.join(' ')]);
  }
  return [...next].map(([text, abouts]) => ({ text, about: abouts.join(', ') }));
}

function optionsLeft(options: Options, values: Values): Candidate[] {
  return Object.entries(options)
    .filter(([name, option]) => option.type === 'list' || values[name] === undefined)
    .map(([name, { about }]) => ({ text: `--${name}`, about }));
}

/** The names with an equals sign first; once that was typed, the values. */
function labelCandidates(): Candidate[] {
  return Object.values(LABELS).flatMap(({ label, choices, about }) => [
    { text: `${label}=`, about },
    ...choices.map((choice) => ({ text: `${label}=${choice}`, about: '' })),
  ]);
}

function startingWith(current: string, offer: Offer): Offer {
  if (offer.kind !== 'words') return offer;
  const fitting = offer.candidates.filter(({ text }) => text.startsWith(current));
  // `label=` alone while the label is typed, its values alone behind the equals sign.
  const isOpen = (text: string) => text.endsWith('=');
  const open = fitting.filter(({ text }) => isOpen(text) && text !== current);
  return ofWords(open.length > 0 ? open : fitting.filter(({ text }) => !isOpen(text)));
}

function ofWords(candidates: readonly Candidate[]): Offer {
  return { kind: 'words', candidates };
}
