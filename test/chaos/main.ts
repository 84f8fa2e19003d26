import { parseArgs } from 'node:util';
import { isolate, whyImpossible } from './isolation.ts';
import { runChaos } from './run.ts';

const HELP = `npm run test:chaos -- [--minutes 5] [--seed N] [--keep]

An embedded installation under verified random I/O, while processes are killed and stopped, links
cut and slowed down, a disk filled up, nodes taken away and replicas added and removed. The seed
decides faults and I/O; what they meet is up to the machine, so a failure may need several runs to
come back. Data and logs of a failed run are kept, with --keep those of a good one too. Needs root
and Linux.
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (values.help || !(minutes > 0) || !Number.isInteger(seed)) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}
const obstacle = whyImpossible();
if (obstacle !== undefined) {
  process.stderr.write(`chaos: ${obstacle}\n`);
  process.exit(1);
}
isolate();

const { failure, summary, directory } = await runChaos({
  ...{ seed, durationMs: minutes * 60_000, isKept: values.keep },
});
process.stdout.write(`\nseed ${seed}, ${minutes} minutes\n${summary.join('\n')}\n`);
if (failure !== undefined || values.keep) {
  process.stdout.write(
    `what happened: ${directory}/timeline.log\n` +
      `logs: ${directory}/orchestrator.log, ${directory}/data/logs\n`,
  );
}
if (failure !== undefined) {
  process.stdout.write(
    `FAILED: ${failure}\n\nagain: npm run test:chaos -- --minutes ${minutes} --seed ${seed}\n`,
  );
  process.exit(1);
}
process.stdout.write('passed\n');
process.exit(0);
