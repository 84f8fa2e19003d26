import { KeelsonError, messageOf } from './common/errors.ts';
import { watchParent } from './common/parent-pipe.ts';
import { isNodeJob, runNodeJob } from './io/node-jobs.ts';
import { readOptions } from './io/options.ts';
import { startReplica } from './io/process.ts';

/** The node's disk is not there, or another node's: it is no use to start again before it is. */
const WRONG_DISK_EXIT_CODE = 3;

/** The replica process: `ready HOST:PORT` on standard output once it serves. Or a job on a node. */
async function main(): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  if (isNodeJob(first)) {
    await runNodeJob(first, rest);
    return;
  }
  const options = readOptions(process.argv.slice(2), process.env);
  // Until it serves there is nothing to finish. As process 1 of a container it must say so itself:
  // the kernel ends that one by no signal but SIGKILL.
  let stop = (): void => process.exit(0);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop());
  const replica = await startReplica(options);
  stop = () => replica.stop();
  watchParent(process.env, () => replica.stop());
  process.stdout.write(`ready ${options.host}:${replica.port}\n`);
  const { isFailure } = await replica.ended;
  process.exit(isFailure ? 1 : 0);
}

function exitCodeOf({ code }: KeelsonError): number {
  if (code === 'INVALID_ARGUMENT') return 2;
  return code === 'WRONG_DISK' ? WRONG_DISK_EXIT_CODE : 1;
}

main().catch((error: unknown) => {
  if (!(error instanceof KeelsonError)) throw error; // our bug: with its stack
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(exitCodeOf(error));
});
