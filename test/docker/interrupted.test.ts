import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { imagesFor } from '../support/dockerd-images.ts';
import { EngineTap } from './support/engine-tap.ts';
import { Orchestrator } from './support/orchestrator.ts';
import { findRemains } from './support/remains.ts';

/** Set by npm run test:docker: at every call; else at every third of them. */
const IS_WHOLE = process.env.KEELSON_DOCKER_SUITE === 'all';
const STEP = IS_WHOLE ? 1 : 3;

const NAME = { namespace: 'default', name: 'cut' };
const WISH = { ...NAME, size: '16Mi', labels: { 'keelson.io/replicas': '1' } };
const NODES = ['node1', 'node2'];
const MAX_CALLS = 60;
const HEALTHY_LIMIT_MS = 60_000;
const GONE_LIMIT_MS = 30_000;

let dockerd: Dockerd;
let tap: EngineTap;
let dataDir: string;
let orchestrator: Orchestrator;

beforeAll(async () => {
  dockerd = await startDockerd();
  await imagesFor(dockerd.engine);
  tap = await EngineTap.open(join(dockerd.directory, 'tap.sock'), dockerd.socketPath);
  dataDir = join(dockerd.directory, 'data');
  mkdirSync(dataDir);
  await start();
});
afterAll(async () => {
  await orchestrator?.kill();
  tap?.close();
  await dockerd?.stop();
});

const HOW = [
  ['before it reaches the engine', 'drop'],
  ['before it is answered', 'pass'],
] as const;

test.each(HOW)(
  'an orchestrator that is killed at any call of a creation, %s, leaves nothing half-made',
  async (_, fate) => {
    const callCount = await killAtEach(fate, {
      prepare: async () => undefined,
      act: () => orchestrator.api.createVolume(WISH),
    });
    // A network, three containers, three starts, and a spare at least.
    expect(callCount).toBeGreaterThan(7);
  },
);

test.each(HOW)(
  'an orchestrator that is killed at any call of a deletion, %s, finishes it later',
  async (_, fate) => {
    const callCount = await killAtEach(fate, {
      prepare: async () => {
        await orchestrator.api.createVolume(WISH);
        await whenHealthy();
      },
      act: () => orchestrator.api.deleteVolume(NAME, { isForced: true }),
    });
    // Three stops, a job on each node of three calls, and the network at least.
    expect(callCount).toBeGreaterThan(9);
  },
);

interface Attempt {
  prepare(): Promise<unknown>;
  act(): Promise<unknown>;
}

/** Kills at the first call, at a later one in the next round, and so on, until it gets through. */
async function killAtEach(fate: 'drop' | 'pass', { prepare, act }: Attempt): Promise<number> {
  for (let last = 1; last < MAX_CALLS; last += STEP) {
    await prepare();
    const calls: string[] = [];
    let isDead = false;
    tap.onChange = (call) => {
      calls.push(call);
      if (calls.length < last) return 'pass';
      if (!isDead) orchestrator.killAtOnce();
      isDead = true;
      return fate;
    };
    await act().catch(() => undefined);
    if (!isDead) await eventually('all is done', async () => (await isQuiet(calls)) || undefined);
    tap.onChange = () => 'pass';
    if (isDead) {
      await orchestrator.kill();
      await start();
    }
    await settle().catch((cause: unknown) => {
      throw new Error(`killed at ${calls.slice(0, last).join(', ')}\n${orchestrator.output}`, {
        cause,
      });
    });
    if (!isDead) return calls.length;
  }
  throw new Error(`expected fewer than ${MAX_CALLS} calls`);
}

/** No call for a moment: what follows a creation, such as a spare, is through as well. */
async function isQuiet(calls: readonly string[]): Promise<boolean> {
  const before = calls.length;
  await new Promise((done) => setTimeout(done, 1_000));
  return calls.length === before;
}

/** What was begun is finished or was never there; then it goes, and nothing is left. */
async function settle(): Promise<void> {
  const [volume] = await orchestrator.api.volumes();
  if (volume !== undefined && !volume.isDeleting) {
    await whenHealthy();
    await orchestrator.api.deleteVolume(NAME, { isForced: true });
  }
  const dataRoots = NODES.map((node) => join(dockerd.directory, node));
  let remains: readonly string[] = [];
  await eventually(
    'nothing is left',
    async () => {
      const volumes = await orchestrator.api.volumes();
      const left = await findRemains(dockerd, dataRoots);
      remains = [...volumes.map(({ name }) => `volume ${name}`), ...left];
      return remains.length === 0 ? true : undefined;
    },
    { withinMs: GONE_LIMIT_MS },
  ).catch((cause: unknown) => {
    throw new Error(`expected nothing to be left, found ${remains.join(', ')}`, { cause });
  });
}

async function whenHealthy(): Promise<void> {
  await eventually(
    'the volume is healthy',
    async () => {
      const { health, copies } = await orchestrator.api.volume(NAME);
      const areInSync = copies.every(
        ({ state, isConnected }) => state === 'in-sync' && isConnected,
      );
      return health === 'healthy' && areInSync ? true : undefined;
    },
    { withinMs: HEALTHY_LIMIT_MS, everyMs: 20 },
  );
}

async function start(): Promise<void> {
  const engine = `unix://${tap.socketPath}`;
  const nodes = NODES.map(
    (name) => `name=${name},data=${join(dockerd.directory, name)},engine=${engine}`,
  );
  orchestrator = await Orchestrator.start({ dataDir, nodes, replaceAfterSeconds: 600 });
}
