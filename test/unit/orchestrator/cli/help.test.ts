import { readFileSync } from 'node:fs';
import { findCommand, parseCommandLine } from '../../../../orchestrator/cli/arguments.ts';
import { COMMANDS } from '../../../../orchestrator/cli/commands/index.ts';
import { UsageError } from '../../../../orchestrator/cli/errors.ts';
import { LABELS } from '../../../../orchestrator/cli/label-table.ts';
import { policyFieldOf, readPolicyLabels } from '../../../../orchestrator/model/labels.ts';
import { type, typeOk } from '../support/command-line.ts';

test('every command is told in one line, and in full with its options and an example', async () => {
  const overview = await typeOk('');
  for (const { words, about, options, example } of COMMANDS) {
    expect(overview).toMatch(new RegExp(`^  keelson ${words} .*${about}$`, 'm'));
    const text = await typeOk(`${words} --help`);
    expect(text).toMatch(new RegExp(`^keelson ${words}`));
    for (const option of [...Object.keys(options), 'output', 'api']) {
      expect(text).toContain(` --${option}`);
    }
    expect(text).toContain(`  ${example.split('\n')[0]}\n`);
  }
});

test('every example is a command line of its command', () => {
  const lines = COMMANDS.flatMap(({ words, example }) =>
    example.split('\n').map((line) => ({ words, line: line.replace(/^source <\((.*)\)$/, '$1') })),
  );
  expect(lines.length).toBeGreaterThan(20);
  for (const { words, line } of lines) {
    const [program, ...rest] = line.split(' ');
    expect(program).toBe('keelson');
    expect(parseCommandLine(rest, COMMANDS, {}).command.words).toBe(words);
  }
});

test('no two commands have the same words, and no option two meanings for one letter', () => {
  const all = COMMANDS.map(({ words }) => words);
  expect(new Set(all).size).toBe(all.length);
  for (const { words, options } of COMMANDS) {
    expect(findCommand(words.split(' '), COMMANDS).words).toBe(words);
    const letters = Object.values(options).flatMap(({ short }) => short ?? []);
    expect(new Set([...letters, 'o', 'h']).size).toBe(letters.length + 2);
  }
});

test.each([
  ['help volume', /^ {2}keelson volume create NAME .*\n(?: {2}keelson volume .*\n)+\nkeelson help/],
  ['volume create data --help', /^keelson volume create \[options\] NAME\n/],
  ['help labels', /keelson\.io\/replicas=0\.\.5 +copies besides the first/],
  ['help chap', /mutual-user NAME SECRET/],
  ['help exit-codes', /^ {4}0 {2}done\n/],
])('the command line %j explains what it names', async (line, text) => {
  expect(await typeOk(line)).toMatch(text);
});

test('help on what nobody knows is a mistake', async () => {
  const { error } = await type('help snapshot');
  expect(error).toBeInstanceOf(UsageError);
  expect(String(error)).toContain('unknown command: snapshot; see keelson --help');
});

test('N7 the labels that help tells are the ones that decide, and so are their values', () => {
  for (const [field, { label, choices }] of Object.entries(LABELS)) {
    expect(policyFieldOf(label)).toBe(field);
    for (const choice of choices) expect(() => readPolicyLabels({ [label]: choice })).not.toThrow();
  }
  expect(() => readPolicyLabels({ 'keelson.io/replicas': '6' })).toThrow();
});

test('docs/cli.md says what the commands are', async () => {
  // Otherwise: npm run -s keelson -- help --markdown > docs/cli.md
  expect(readFileSync('docs/cli.md', 'utf8')).toBe(await typeOk('help --markdown'));
});
