import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import { ApiClient } from '../client/api-client.ts';
import { parseCommand, UsageError } from './arguments.ts';
import { runCommand } from './run.ts';

/** Exit codes: 0 done, 1 it failed, 2 the command line says nothing that can be done. */
async function main(): Promise<number> {
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  process.once('SIGTERM', () => ended.abort());
  try {
    const command = parseCommand(process.argv.slice(2), process.env);
    await runCommand(command, new ApiClient({ url: command.api }), {
      write: (text) => process.stdout.write(text),
      isInteractive: process.stdout.isTTY === true,
      signal: ended.signal,
    });
    return 0;
  } catch (error) {
    // Anything else is a bug, and its stack is what one needs to see.
    const isExpected = error instanceof KeelsonError || error instanceof UsageError;
    if (!isExpected) throw error;
    process.stderr.write(`keelson: ${messageOf(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

// A reader such as `head` that has seen enough is no error.
process.stdout.on('error', () => process.exit(0));
const code = await main();
// An event stream that was cut off may keep sockets open for a while; nothing is left to do.
process.exitCode = code;
