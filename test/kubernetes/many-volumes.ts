import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ARCHITECTURES, type Architecture } from '../../images/addons.ts';
import { writeContext } from '../../images/context.ts';
import { connectKube, type KubeClient } from '../../orchestrator/kubernetes/client.ts';
import { NAMESPACES, PODS, VOLUMES } from '../../orchestrator/kubernetes/resources.ts';
import { eventually } from '../support/child.ts';
import { isolateNetwork } from '../support/isolated.ts';
import { ROOT } from '../support/keelson.ts';
import { cpuSecondsOf, residentMiBOf } from '../support/processes.ts';
import { type AuditedRequest, ControlPlane } from './support/control-plane.ts';
import { LonelyOrchestrator, POD_NAME, SYSTEM } from './support/lonely-orchestrator.ts';
import { NODE_RANGE, PlayedKubelets, POD_RANGE } from './support/played-kubelets.ts';
import { PlayedProcesses } from './support/played-processes.ts';

const HELP = `npm run bench:kubernetes -- [--volumes 200] [--json build/many-volumes.json]

What volumes in three copies cost one orchestrator and the API server, while they are made, when an
orchestrator takes them over, and while nothing happens. The API server, its controllers and its
scheduler are real; nodes, pods and what runs in them are played, so that the machine is enough for
hundreds. Needs root and the programs of ../shared/kube/kube build.
`;

const SERVICE_RANGE = '10.255.0.0/16';
const VOLUME_NAMESPACE = 'bench';
const NODE_NAMES = ['n1', 'n2', 'n3', 'n4'];
const AT_ONCE = 16;
const LIMIT_MS = 600_000;
/** Statuses and Events come at a pace of their own, after the volumes. */
const SETTLE_MS = 60_000;
const IDLE_MS = 30_000;
const CORDONS = 5;
/** To show all of them costs something, too. */
const LOOK_MS = 1_000;
const MANIFESTS = [
  'base/crds/volumes.keelson.io.yaml',
  'base/crds/rules.keelson.io.yaml',
  ...['system/namespace.yaml', 'system/priority-class.yaml', 'system/services.yaml'],
];

const { values } = parseArgs({
  options: {
    volumes: { type: 'string', default: '200' },
    json: { type: 'string', default: 'build/many-volumes.json' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
isolateNetwork();
for (const range of [SERVICE_RANGE, POD_RANGE, NODE_RANGE]) {
  execFileSync('ip', ['route', 'add', 'local', range, 'dev', 'lo']);
}
const directory = mkdtempSync(join(tmpdir(), 'keelson-many-volumes-'));
const program = await makeProgram(join(directory, 'images'));
const plane = await ControlPlane.start(directory, SERVICE_RANGE);
try {
  process.env.KUBECONFIG = plane.kubeconfigOf('bench');
  const figures = await measure(await connectKube(), Number(values.volumes));
  for (const [name, value] of Object.entries(figures)) {
    process.stdout.write(`${name.padEnd(44)}${value}\n`);
  }
  const path = resolve(values.json);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(figures, undefined, 2)}\n`);
} finally {
  await plane.stop();
  rmSync(directory, { recursive: true });
}
process.exit(0); // long polls may be left

async function measure(api: KubeClient, volumeCount: number): Promise<Record<string, number>> {
  for (const file of MANIFESTS) {
    plane.kubectl('apply', '-f', join(ROOT, 'manifests/kubernetes', file));
  }
  await api.create(NAMESPACES, { metadata: { name: VOLUME_NAMESPACE } });
  await PlayedKubelets.start(api, NODE_NAMES);
  await makeOrchestratorPod(api);
  let orchestrator = await LonelyOrchestrator.start(program, plane.kubeconfigOf('orchestrator'));
  const processes = new PlayedProcesses(api, { namespace: SYSTEM, registryUrl: orchestrator.url });
  await processes.start();
  plane.takeAudit();
  const making = await observed(orchestrator, async () => {
    await makeVolumes(api, volumeCount);
    await whenAllHealthy(orchestrator, volumeCount);
  });
  await pause(SETTLE_MS);
  plane.takeAudit();
  const totalBefore = await plane.requestTotal();
  const idle = await observed(orchestrator, () => pause(IDLE_MS));
  const idleTotal = (await plane.requestTotal()) - totalBefore;
  const cordonMs: number[] = [];
  for (let round = 0; round < CORDONS; round += 1) {
    // It changes what every plan looks at, and nothing else.
    const isCordoned = round % 2 === 0;
    cordonMs.push(await timed(() => orchestrator.api.changeNode('n4', { isCordoned })));
  }
  await orchestrator.stop();
  plane.takeAudit();
  const startMs = performance.now();
  orchestrator = await LonelyOrchestrator.start(program, plane.kubeconfigOf('orchestrator'));
  await whenAllHealthy(orchestrator, volumeCount);
  const takeOverMs = performance.now() - startMs;
  await pause(SETTLE_MS);
  const takeOver = ofOrchestrator(plane.takeAudit());
  processes.stop();
  await orchestrator.stop();
  showRequests('while they were made', making.requests);
  showRequests('when idle', idle.requests);
  showRequests('when taken over', takeOver);
  return {
    volumes: volumeCount,
    'seconds to make them': round1(making.seconds),
    'requests a volume to make it': round1(making.requests.length / volumeCount),
    'requests a second while made': round1(making.requests.length / making.seconds),
    '% of a core while made': round1(making.cpuPercent),
    'idle: requests a second, ours': round2(idle.requests.length / idle.seconds),
    'idle: requests a second, of the server in all': round2(idleTotal / idle.seconds),
    'idle: % of a core': round2(idle.cpuPercent),
    'MiB resident': Math.round(idle.residentMiB),
    'ms to plan all, median': round1(cordonMs.toSorted((a, b) => a - b)[2] ?? 0),
    'ms to plan all, worst': round1(Math.max(...cordonMs)),
    'ms from a start to all adopted': Math.round(takeOverMs),
    'requests of a start in all': takeOver.length,
  };
}

/** As the image has it, where less is loaded than from the sources. */
async function makeProgram(context: string): Promise<string> {
  const names = Object.keys(ARCHITECTURES) as Architecture[];
  const here = names.find((name) => ARCHITECTURES[name] === process.arch) ?? 'amd64';
  await writeContext(context, here);
  const addons = join(context, 'native');
  cpSync(join(addons, here), addons, { recursive: true });
  return join(context, 'orchestrator.cjs');
}

/** Its images are told by options; the label of the leader goes here. Nobody starts it. */
async function makeOrchestratorPod(api: KubeClient): Promise<void> {
  const spec = {
    schedulerName: 'nobody',
    containers: [{ name: 'orchestrator', image: 'keelson/orchestrator:bench' }],
  };
  await api.create(PODS, { metadata: { namespace: SYSTEM, name: POD_NAME }, spec });
}

async function makeVolumes(api: KubeClient, volumeCount: number): Promise<void> {
  const names = Array.from({ length: volumeCount }, (_, index) => `v${index + 1}`);
  const work = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const metadata = { namespace: VOLUME_NAMESPACE, name };
      await api.create(VOLUMES, { metadata, spec: { size: '1Gi', replicas: 2 } });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function whenAllHealthy({ api }: LonelyOrchestrator, volumeCount: number): Promise<void> {
  let shown = -1;
  await eventually(
    'every volume is healthy',
    async () => {
      const volumes = await api.volumes();
      const ready = volumes.filter(
        ({ health, copies, controller }) =>
          health === 'healthy' &&
          controller.process === 'ready' &&
          copies.every(({ process, isConnected }) => process === 'ready' && isConnected),
      ).length;
      if (ready !== shown) process.stderr.write(`${ready} of ${volumes.length} are healthy\n`);
      shown = ready;
      return ready === volumeCount || undefined;
    },
    { withinMs: LIMIT_MS, everyMs: LOOK_MS },
  );
}

interface Observed {
  readonly seconds: number;
  readonly requests: readonly AuditedRequest[];
  readonly cpuPercent: number;
  readonly residentMiB: number;
}

/** What the orchestrator does while `work` is done. */
async function observed(
  { pid }: LonelyOrchestrator,
  work: () => Promise<unknown>,
): Promise<Observed> {
  const cpuBefore = cpuSecondsOf(pid);
  const ms = await timed(work);
  const cpuSeconds = cpuSecondsOf(pid) - cpuBefore;
  return {
    seconds: ms / 1000,
    requests: ofOrchestrator(plane.takeAudit()),
    cpuPercent: (cpuSeconds / (ms / 1000)) * 100,
    residentMiB: residentMiBOf(pid),
  };
}

function ofOrchestrator(requests: readonly AuditedRequest[]): AuditedRequest[] {
  return requests.filter(({ user }) => user === 'orchestrator');
}

function showRequests(when: string, requests: readonly AuditedRequest[]): void {
  const counts = new Map<string, number>();
  for (const { verb, resource } of requests) {
    const what = `${verb} ${resource}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const shown = sorted.map(([what, count]) => `  ${String(count).padStart(6)} ${what}\n`).join('');
  process.stdout.write(`requests of the orchestrator ${when}:\n${shown}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
