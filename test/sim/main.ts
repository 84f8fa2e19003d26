import { fileURLToPath } from 'node:url';
import { readKinds } from './fault-model.ts';
import { type Chunk, runJobs } from './jobs.ts';
import { findMutation } from './mutations.ts';
import { readOptions, type SimOptions, USAGE, variationOf } from './options.ts';
import { patchSources } from './patch.ts';
import { addReport, emptyTally, formatSummary } from './summary.ts';

/**
 * The deterministic simulator: whole clusters of the real cores on simulated disks, networks and
 * clocks, one from each seed. What it plays and what it does not is in `fault-model.ts`; what must
 * be true is in `oracle.ts`, `checks.ts` and `recovery.ts`.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  // Names are wrong here, not in some process of another.
  const { mutation, kinds } = options;
  if (mutation !== undefined) findMutation(mutation);
  if (kinds !== undefined) readKinds(kinds);
  if (options.worker) return work(options);
  return options.trace ? trace(options) : run(options);
}

async function run(options: SimOptions): Promise<number> {
  const startMs = performance.now();
  const tally = await runJobs(fileURLToPath(import.meta.url), options);
  const seconds = (performance.now() - startMs) / 1000;
  process.stdout.write(`${formatSummary(tally, seconds, variationOf(options))}\n`);
  const isCaught = tally.failures.length > 0;
  return isCaught === (options.mutation !== undefined) ? 0 : 1;
}

/** Chunks of seeds come from the parent until it goes away. */
async function work(options: SimOptions): Promise<number> {
  const runSeed = await loadRunner(options);
  const { promise, resolve } = Promise.withResolvers<number>();
  process.on('message', ({ from, count }: Chunk) => {
    const tally = emptyTally();
    for (let seed = from; seed < from + count; seed += 1) addReport(tally, runSeed(seed));
    process.send?.(tally);
  });
  process.on('disconnect', () => resolve(0));
  return promise;
}

async function trace(options: SimOptions): Promise<number> {
  const runSeed = await loadRunner(options);
  const onLine = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  const { failures } = runSeed(options.from, onLine);
  for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`);
  return failures.length === 0 ? 0 : 1;
}

/** The product is loaded only now, so that a deliberate bug gets into it. */
async function loadRunner({ mutation, kinds: names }: SimOptions) {
  if (mutation !== undefined) patchSources(findMutation(mutation).patches, ROOT);
  const { runSeed } = await import('./run.ts');
  const kinds = names && readKinds(names);
  return (seed: number, onLine?: (line: string) => void) =>
    runSeed(seed, { kinds, ...(onLine === undefined ? {} : { onLine }) });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}\n`);
  process.exitCode = 2;
}
