import { KeelsonError, messageOf } from '../replica/common/errors.ts';
import { watchParent } from '../replica/common/parent-pipe.ts';
import { readOptions } from './io/options.ts';
import { startController } from './io/process.ts';

/**
 * Buffers up to half of this are cut from slabs. Data segments of many sizes pass through here, and
 * one allocation for each is what the garbage collector cannot keep up with.
 */
const SLAB_BYTES = 1024 * 1024;

/** With the orchestrator gone, a stop is clean if it can be quickly; its successor waits for it. */
const ORPHAN_MS = 500;

/** The controller process: `ready HOST:PORT` on standard output once initiators can log in. */
async function main(): Promise<void> {
  Buffer.poolSize = SLAB_BYTES;
  const options = readOptions(process.argv.slice(2), process.env);
  // Until it serves there is nothing to finish. As process 1 of a container it must say so itself:
  // the kernel ends that one by no signal but SIGKILL.
  let stop = (): void => process.exit(0);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop());
  const controller = await startController(options);
  stop = () => controller.stop();
  watchParent(process.env, () => {
    controller.stop();
    // Its replicas end as well, so what they still owe never comes.
    setTimeout(() => process.exit(1), ORPHAN_MS);
  });
  process.stdout.write(`ready ${options.host}:${options.port}\n`);
  const { code } = await controller.ended;
  process.exit(code === undefined ? 0 : 1);
}

main().catch((error: unknown) => {
  if (!(error instanceof KeelsonError)) throw error; // our bug: with its stack
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(error.code === 'INVALID_ARGUMENT' ? 2 : 1);
});
