import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { canIsolateNetwork, isolateNetwork } from '../support/isolated.ts';
import { fuzz } from './run.ts';
import { fuzzSockets } from './sockets.ts';
import { TARGETS } from './targets/index.ts';

const HELP = `npm run fuzz -- [--seconds 60] [--seed N] [--target NAME] [--only cores|sockets]
npm run fuzz -- --connections N [--seed N]

Seeded, structure-aware inputs for everything that takes bytes from outside: first the cores, each
in turns, then the ports of running processes; half of the time each. The same seed makes the same
inputs. What fails is made small and saved in test/fuzz/corpus, which a unit test replays.
The last line is \`N findings\`; exit code 1 unless it is 0.

--connections opens and drops N connections at every stage of a login (connections.ts) instead.

targets: ${TARGETS.map(({ name }) => name).join(' ')}
`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    target: { type: 'string' },
    only: { type: 'string' },
    connections: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const targets = TARGETS.filter(({ name }) => (values.target ?? name) === name);
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
const { only = values.target === undefined ? 'both' : 'cores' } = values;
const isKnown = ['both', 'cores', 'sockets'].includes(only) && targets.length > 0;
if (values.help || !isKnown || !(seconds > 0) || !Number.isInteger(seed)) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}
if (values.connections !== undefined) {
  const words = ['test/fuzz/connections.ts', '--count', values.connections, '--seed', values.seed];
  process.exit(spawnSync(process.execPath, words, { stdio: 'inherit' }).status ?? 1);
}
const print = (text: string) => process.stdout.write(`${text}\n`);
if (only !== 'cores' && canIsolateNetwork()) isolateNetwork();
print(`seed ${seed}`);
const share = only === 'both' ? seconds / 2 : seconds;
let findings = 0;
if (only !== 'sockets') findings += fuzz({ targets, seconds: share, seed, print });
if (only !== 'cores') findings += await fuzzSockets({ seconds: share, seed, print });
print(`${findings} findings`);
process.exitCode = findings === 0 ? 0 : 1;
