import { type Environment, parseCommandLine } from './arguments.ts';
import { COMMANDS } from './commands/index.ts';
import { completeLines } from './complete.ts';
import { COMPLETE } from './completion-scripts.ts';
import { connect } from './connect.ts';
import type { Terminal } from './terminal.ts';

/** Carries out what a command line says. Errors: those of `Command.run`. */
export async function runCommandLine(
  words: readonly string[],
  environment: Environment,
  terminal: Terminal,
): Promise<void> {
  if (words[0] === COMPLETE) {
    terminal.out.write(await completeLines(words.slice(1), COMMANDS, environment));
    return;
  }
  const { command, access, ...given } = parseCommandLine(words, COMMANDS, environment);
  await command.run({ ...given, terminal, commands: COMMANDS, connect: () => connect(access) });
}
