import { text } from 'node:stream/consumers';
import { messageOf } from '../../replica/common/errors.ts';
import { EXIT_CODES, exitCodeOf } from './errors.ts';
import { runCommandLine } from './run.ts';
import type { Channel } from './terminal.ts';

async function main(): Promise<number> {
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  process.once('SIGTERM', () => ended.abort());
  try {
    await runCommandLine(process.argv.slice(2), process.env, {
      out: channelOf(process.stdout),
      notes: channelOf(process.stderr),
      signal: ended.signal,
      readInput: () => text(process.stdin),
    });
    return EXIT_CODES.done.code;
  } catch (error) {
    const code = exitCodeOf(error);
    if (code === undefined) throw error; // a bug of ours: its stack is what one needs to see
    process.stderr.write(`keelson: ${messageOf(error)}\n`);
    return code;
  }
}

function channelOf(stream: NodeJS.WriteStream): Channel {
  return {
    write: (line) => stream.write(line),
    isInteractive: stream.isTTY === true,
    get columns() {
      return stream.columns;
    },
  };
}

// A reader such as `head` that has seen enough is no error.
process.stdout.on('error', () => process.exit(0));
const code = await main();
// An event stream that was cut off may keep sockets open for a while; nothing is left to do.
process.exitCode = code;
