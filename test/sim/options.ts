import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

export interface SimOptions {
  readonly from: number;
  /** Infinity when only the time is limited. */
  readonly seeds: number;
  /** Infinity when only the seeds are limited. */
  readonly minutes: number;
  readonly jobs: number;
  /** Name of a deliberate bug (mutations.ts). */
  readonly mutation: string | undefined;
  /** These faults in every seed, instead of some of all. */
  readonly kinds: readonly string[] | undefined;
  /** Stop at the first seed that fails. */
  readonly bail: boolean;
  /** Print everything that happens. */
  readonly trace: boolean;
  /** This process only runs seeds that another one asks for. */
  readonly worker: boolean;
}

export const USAGE = `
npm run sim -- --seeds N [--from SEED]   run N seeds, the first of which is SEED (1)
npm run sim -- --minutes M               run seeds for so long
npm run sim -- --seed S --trace          run one seed and print everything that happens

  --jobs J          processes (number of cores)
  --mutation NAME   with a deliberate bug: a run without a failure is a failure then
  --kinds A,B       with these faults in every seed (fault-model.ts)
  --bail            stop at the first seed that fails
`.trim();

const DEFAULT_SEEDS = 200;

/** What makes a seed another run than it would be without. */
export function variationOf({ mutation, kinds }: SimOptions): string[] {
  return [
    ...(mutation === undefined ? [] : ['--mutation', mutation]),
    ...(kinds === undefined ? [] : ['--kinds', kinds.join()]),
  ];
}

/** Throws what is wrong with the command line, in words. */
export function readOptions(args: readonly string[]): SimOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      from: { type: 'string' },
      minutes: { type: 'string' },
      jobs: { type: 'string' },
      mutation: { type: 'string' },
      kinds: { type: 'string' },
      bail: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      worker: { type: 'boolean', default: false },
    },
  });
  const { seed, minutes, mutation, bail, trace, worker } = values;
  const kinds = values.kinds?.split(',');
  const limit = minutes === undefined ? DEFAULT_SEEDS : Number.POSITIVE_INFINITY;
  const isSingle = seed !== undefined;
  return {
    from: readNumber(seed ?? values.from, 1, '--from'),
    seeds: isSingle ? 1 : readNumber(values.seeds, limit, '--seeds'),
    minutes: readNumber(minutes, Number.POSITIVE_INFINITY, '--minutes'),
    jobs: isSingle ? 1 : readNumber(values.jobs, availableParallelism(), '--jobs'),
    ...{ mutation, kinds, bail, trace, worker },
  };
}

function readNumber(text: string | undefined, otherwise: number, name: string): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new Error(`${name}: expected a number above 0, got ${text}`);
}
