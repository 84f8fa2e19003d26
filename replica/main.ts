import { KeelsonError, messageOf } from './common/errors.ts';
import { watchParent } from './common/parent-pipe.ts';
import { readOptions } from './io/options.ts';
import { startReplica } from './io/process.ts';

/** The replica process: `ready HOST:PORT` on standard output once it serves. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  const replica = await startReplica(options);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => replica.stop());
  watchParent(process.env, () => replica.stop());
  process.stdout.write(`ready ${options.host}:${replica.port}\n`);
  const { isFailure } = await replica.ended;
  process.exit(isFailure ? 1 : 0);
}

main().catch((error: unknown) => {
  if (!(error instanceof KeelsonError)) throw error; // our bug: with its stack
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(error.code === 'INVALID_ARGUMENT' ? 2 : 1);
});
