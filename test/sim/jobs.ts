import { fork } from 'node:child_process';
import { type SimOptions, variationOf } from './options.ts';
import { addTally, emptyTally, type Tally } from './summary.ts';

/** Seeds that a worker runs before it reports. */
const CHUNK = 25;

/** What a worker is asked for; it answers with a `Tally`. */
export interface Chunk {
  readonly from: number;
  readonly count: number;
}

/**
 * Runs the seeds in `options.jobs` processes of their own.
 *
 * @param program the main program, which runs a worker when it is told so
 */
export async function runJobs(program: string, options: SimOptions): Promise<Tally> {
  const sum = emptyTally();
  const endMs = performance.now() + options.minutes * 60_000;
  let next = options.from;
  const end = options.from + options.seeds;
  const nextChunk = (): Chunk | undefined => {
    const isOver = performance.now() >= endMs || (options.bail && sum.failures.length > 0);
    if (isOver || next >= end) return undefined;
    const chunk = { from: next, count: Math.min(CHUNK, end - next) };
    next += chunk.count;
    return chunk;
  };
  const jobs = Array.from({ length: options.jobs }, () =>
    runWorker(program, options, { nextChunk, onTally: (tally) => addTally(sum, tally) }),
  );
  await Promise.all(jobs);
  return sum;
}

function runWorker(
  program: string,
  options: SimOptions,
  parts: { nextChunk: () => Chunk | undefined; onTally: (tally: Tally) => void },
): Promise<void> {
  const args = ['--worker', ...variationOf(options)];
  const worker = fork(program, args);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isDone = false;
  const feed = (): void => {
    const chunk = parts.nextChunk();
    if (chunk !== undefined) {
      worker.send(chunk);
      return;
    }
    isDone = true;
    worker.disconnect();
  };
  worker.on('message', (tally: Tally) => {
    parts.onTally(tally);
    feed();
  });
  worker.on('exit', (code, signal) => {
    if (isDone) resolve();
    else reject(new Error(`a worker of the simulator ended with ${signal ?? `code ${code}`}`));
  });
  feed();
  return promise;
}
