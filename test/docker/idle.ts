import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { eventually } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { imagesFor } from '../support/dockerd-images.ts';
import { isolateNetwork } from '../support/isolated.ts';
import {
  cpuSecondsOf,
  descendantsOf,
  type ProcessInfo,
  residentMiBOf,
} from '../support/processes.ts';
import { Orchestrator, type OrchestratorOptions } from './support/orchestrator.ts';

const HELP = `npm run bench:idle -- [--volumes 50] [--json build/idle.json]

What volumes in three copies cost on one engine while nobody uses them: CPU of the orchestrator, of
controllers, replicas, holders and the engine, memory, and how long the orchestrator takes to look at
all of them. Needs root, docker.io and 350 MiB of memory a volume.
`;

/** After the last volume was made: caches settle, file systems write back. */
const SETTLE_MS = 30_000;
const MEASURE_MS = 20_000;
const READY_LIMIT_MS = 300_000;
/** The engine makes more than one container at a time, but not much faster. */
const MADE_AT_ONCE = 2;
const CORDONS = 5;

const { values } = parseArgs({
  options: {
    volumes: { type: 'string', default: '50' },
    json: { type: 'string', default: 'build/idle.json' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
isolateNetwork();
const dockerd = await startDockerd();
try {
  await imagesFor(dockerd.engine);
  const figures = await measure(dockerd, Number(values.volumes));
  for (const [name, value] of Object.entries(figures)) {
    process.stdout.write(`${name.padEnd(34)}${value}\n`);
  }
  const path = resolve(values.json);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(figures, undefined, 2)}\n`);
} finally {
  await dockerd.stop();
}
process.exit(0); // sockets of the engine's client may be left

async function measure(engine: Dockerd, volumeCount: number): Promise<Record<string, number>> {
  const options = optionsOn(engine);
  let orchestrator = await Orchestrator.start(options);
  const makingMs = await timed(() => makeVolumes(orchestrator, volumeCount));
  await timed(() => whenAllReady(orchestrator, volumeCount));
  await pause(SETTLE_MS);
  const cpu = await idleCpu(orchestrator);
  const cordonMs: number[] = [];
  for (let round = 0; round < CORDONS; round += 1) {
    // It changes what every plan looks at, and nothing else.
    const isCordoned = round % 2 === 0;
    cordonMs.push(await timed(() => orchestrator.api.changeNode('spare', { isCordoned })));
  }
  await orchestrator.kill();
  const returnMs = await timed(async () => {
    orchestrator = await Orchestrator.start(options);
    await whenAllReady(orchestrator, volumeCount);
  });
  await orchestrator.kill();
  return {
    volumes: volumeCount,
    'seconds to make them': round1(makingMs / 1000),
    ...cpu,
    'ms to plan all, median': round1(cordonMs.toSorted((a, b) => a - b)[2] ?? 0),
    'ms to plan all, worst': round1(Math.max(...cordonMs)),
    'ms from a start to all adopted': round1(returnMs),
  };
}

function optionsOn({ directory, socketPath }: Dockerd): OrchestratorOptions {
  const dataDir = join(directory, 'data');
  mkdirSync(dataDir);
  const nodes = ['a', 'b', 'c', 'spare'].map(
    (name) => `name=${name},data=${join(directory, name)},engine=unix://${socketPath}`,
  );
  return { dataDir, nodes, replaceAfterSeconds: 600 };
}

async function makeVolumes({ api }: Orchestrator, volumeCount: number): Promise<void> {
  await api.changeNode('spare', { isCordoned: true });
  const labels = { 'keelson.io/replicas': '2' };
  const wishes = Array.from({ length: volumeCount }, (_, index) => `v${index + 1}`);
  const work = async () => {
    for (let name = wishes.shift(); name !== undefined; name = wishes.shift()) {
      await api.createVolume({ namespace: 'default', name, size: '1Gi', labels });
    }
  };
  await Promise.all(Array.from({ length: MADE_AT_ONCE }, work));
  await api.changeNode('spare', { isCordoned: false });
}

function whenAllReady({ api }: Orchestrator, volumeCount: number): Promise<true> {
  return eventually(
    'every volume is healthy',
    async () => {
      const volumes = await api.volumes();
      const ready = volumes.filter(
        ({ health, copies, controller }) =>
          health === 'healthy' &&
          controller.process === 'ready' &&
          copies.every(({ process, isConnected }) => process === 'ready' && isConnected),
      );
      return ready.length === volumeCount || undefined;
    },
    { withinMs: READY_LIMIT_MS, everyMs: 100 },
  );
}

/** In percent of one core. */
async function idleCpu(orchestrator: Orchestrator): Promise<Record<string, number>> {
  const all = descendantsOf(process.pid);
  const isOwn = ({ pid }: ProcessInfo) => pid === orchestrator.pid;
  const groups: [string, ProcessInfo[]][] = [
    ['orchestrator', all.filter(isOwn)],
    ['controllers', all.filter((found) => !isOwn(found) && /controller/.test(found.command))],
    ['replicas', all.filter(({ command }) => /--replica-id/.test(command))],
    ['holders', all.filter(({ command }) => /^\/usr\/bin\/sleep infinity/.test(command))],
    ['engine', all.filter(({ command }) => /^\S*(dockerd|containerd)/.test(command))],
  ];
  const before = groups.map(([, group]) => cpuOf(group));
  await pause(MEASURE_MS);
  const figures = groups.flatMap(([name, group], index): [string, number][] => {
    const seconds = cpuOf(group) - (before[index] ?? 0);
    const memory = group.reduce((sum, { pid }) => sum + residentMiBOf(pid), 0);
    return [
      [`${name}, processes`, group.length],
      [`${name}, % of a core`, Math.round((seconds / (MEASURE_MS / 1000)) * 100_000) / 1000],
      [`${name}, MiB resident`, Math.round(memory)],
    ];
  });
  return Object.fromEntries(figures);
}

function cpuOf(group: readonly ProcessInfo[]): number {
  return group.reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}
