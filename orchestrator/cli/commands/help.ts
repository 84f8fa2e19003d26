import { type Command, defineCommand } from '../command.ts';
import { helpOn, makeReference } from '../help.ts';

const help = defineCommand({
  words: 'help',
  about: 'tell about a command or a topic',
  operand: { value: 'WORD', what: 'command', count: 'any', completes: 'help' },
  options: { markdown: { type: 'flag', about: 'everything, as docs/cli.md has it' } },
  example: 'keelson help volume create',
  async run({ names, given, commands, terminal }) {
    terminal.out.write(given.markdown ? makeReference(commands) : helpOn(names, commands));
  },
});

export const HELP_COMMANDS: readonly Command[] = [help];
