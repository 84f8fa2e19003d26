import { ApiClient } from '../client/api-client.ts';
import { type Access, parseCommandLine } from './arguments.ts';
import { COMMANDS } from './commands/index.ts';
import type { Terminal } from './terminal.ts';
import { readToken } from './token-file.ts';

/** Carries out what a command line says. Errors: those of `Command.run`. */
export async function runCommandLine(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  terminal: Terminal,
): Promise<void> {
  const { command, access, ...given } = parseCommandLine(words, COMMANDS, environment);
  await command.run({ ...given, terminal, commands: COMMANDS, connect: () => connect(access) });
}

async function connect(access: Access): Promise<ApiClient> {
  const token = await readToken(access);
  return new ApiClient({ url: access.api, ...(token === undefined ? {} : { token }) });
}
