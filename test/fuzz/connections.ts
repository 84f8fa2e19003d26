import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { canIsolateNetwork, isolateNetwork } from '../support/isolated.ts';
import { startKeelson } from '../support/keelson.ts';
import { type Cost, costOf, openAndDrop, STAGES } from './dropped-connections.ts';

const HELP = `npm run fuzz:connections -- [--count 100000] [--seed N] [--host H --port P --target IQN --pid PID]

Opens connections to a target and drops each at a stage of its login (${STAGES.length} of them), then
compares resident memory and open files of the process PID with what they were after the first 2000.
Both are looked at when all has been quiet for two minutes, since the memory of a burst is given back
then. Without --pid it starts an installation of its own. Exit code 1 when memory grew by more than
20 % or a file stayed open.
`;

/** Until then the engine compiles what is hot and sizes its heap, which is no leak. */
const WARM_UP = 2_000;
const MAX_GROWTH = 1.2;
/** Idle memory is given back after one to two quiet minutes (replica/common/idle-memory.ts). */
const SETTLE_MS = 125_000;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    host: { type: 'string', default: '127.0.1.1' },
    port: { type: 'string', default: '3260' },
    target: { type: 'string', default: 'iqn.2026-11.io.keelson:default.demo' },
    pid: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const count = Number(values.count);
if (values.help || !(count > WARM_UP)) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}
if (values.pid === undefined && canIsolateNetwork()) isolateNetwork();
const keelson = values.pid === undefined ? await startKeelson() : undefined;
try {
  const pid = keelson?.controller().pid ?? Number(values.pid);
  const target = { host: values.host, port: Number(values.port), targetName: values.target };
  const seed = Number(values.seed);
  print('fresh', await costOf(pid));
  await openAndDrop(target, { count: WARM_UP, seed });
  const before = await settled(WARM_UP, pid);
  const tally = await openAndDrop(target, { count: count - WARM_UP, seed: seed + 1 });
  const after = await settled(count, pid);
  for (const [stage, number] of tally) process.stdout.write(`  ${stage}: ${number}\n`);
  const isFine =
    after.residentMiB <= before.residentMiB * MAX_GROWTH && after.files <= before.files;
  process.stdout.write(isFine ? 'nothing was left behind\n' : 'SOMETHING WAS LEFT BEHIND\n');
  process.exitCode = isFine ? 0 : 1;
} finally {
  await keelson?.stop();
}

async function settled(done: number, pid: number): Promise<Cost> {
  print(`after ${done}`, await costOf(pid));
  await pause(SETTLE_MS);
  const cost = await costOf(pid);
  print(`after ${done}, settled`, cost);
  return cost;
}

function print(when: string, { residentMiB, files }: Cost): void {
  process.stdout.write(`${when}: ${residentMiB.toFixed(1)} MiB resident, ${files} open files\n`);
}
