import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ControllerStatus } from '../../controller/protocol/status.ts';
import { ApiClient } from '../../orchestrator/client/api-client.ts';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { eventually, exitOf } from './child.ts';
import { descendantsOf, type ProcessInfo } from './processes.ts';

/** Tests, benchmarks and npm scripts all run from the root of the repository. */
export const ROOT = resolve('.');
export const NODE = join(ROOT, 'node_modules/.bin/node');

/** How long a start may take: generous, because tests share two cores with everything else. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const HEALTHY_TIMEOUT_MS = 60_000;

export interface KeelsonOptions {
  readonly nodes?: number;
  /** Data of an earlier start; without it a new directory, which stop() removes. */
  readonly dataDir?: string;
  /** Start without a volume; makeVolume() creates them. */
  readonly isEmpty?: boolean;
  /** Further words for the orchestrator's command line. */
  readonly args?: readonly string[];
}

export interface Keelson {
  readonly dataDir: string;
  readonly api: ApiClient;
  readonly url: string;
  readonly targetName: string;
  /** All that runs below the orchestrator at this moment. */
  processes(): ProcessInfo[];
  /** The one controller of this installation. */
  controller(): ProcessInfo;
  /** Replicas in the order of their nodes. */
  replicas(): ProcessInfo[];
  status(): Promise<ControllerStatus>;
  volume(): Promise<VolumeView>;
  /**
   * Resolves when all copies are in sync and connected. After a fault, pass the generation from
   * before it: losing a copy or a controller raises it, so that the state before is not mistaken
   * for the recovery.
   */
  whenHealthy(afterGeneration?: number): Promise<void>;
  makeVolume(name: string, options: { size: string; replicas: number }): Promise<VolumeView>;
  /** What the orchestrator and its children printed so far. */
  output(): string;
  /** SIGINT, as Ctrl-C sends; returns the exit code. The data stays. */
  interrupt(): Promise<number | null>;
  /** Stops whatever still runs and removes the data. */
  stop(): Promise<void>;
}

export const DEMO_URL = 'iscsi://127.0.1.1:3260/iqn.2026-11.io.keelson:default.demo/0';
const DEMO = { namespace: 'default', name: 'demo' };

/** Starts an embedded installation, by default with its demo volume of 1 GiB in three copies. */
export async function startKeelson(options: KeelsonOptions = {}): Promise<Keelson> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'keelson-data-'));
  const child = spawnOrchestrator(dataDir, options, options.args);
  let output = '';
  const note = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout?.on('data', note);
  child.stderr?.on('data', note);
  const pid = child.pid ?? 0;
  const api = new ApiClient({ url: 'http://127.0.0.1:5705' });
  const processes = () => descendantsOf(pid);
  const withRole = (role: string) =>
    processes()
      .filter(({ command }) => command.includes(`${role}/main.ts`))
      .sort((a, b) => a.command.localeCompare(b.command));
  const stop = async () => {
    await endAll(child, processes());
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    await whenReady(child, options.isEmpty === true, () => output, api);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    dataDir,
    api,
    url: DEMO_URL,
    targetName: 'iqn.2026-11.io.keelson:default.demo',
    processes,
    controller: () => only(withRole('controller'), 'controller'),
    replicas: () => withRole('replica'),
    status: async () =>
      (await (await fetch('http://127.0.1.1:3261/status')).json()) as ControllerStatus,
    volume: () => api.volume(DEMO),
    whenHealthy: (afterGeneration = -1) => whenHealthy(api, afterGeneration),
    makeVolume: (name, { size, replicas }) =>
      api.createVolume({
        namespace: 'default',
        name,
        size,
        labels: { 'keelson.io/replicas': String(replicas) },
      }),
    output: () => output,
    interrupt: () => {
      child.kill('SIGINT');
      return exitOf(child);
    },
    stop,
  };
}

/** Starts and at once waits for the end: for starts that must fail. */
export async function startAndFail(
  dataDir: string,
  args: readonly string[] = [],
): Promise<{ code: number | null; output: string }> {
  const child = spawnOrchestrator(dataDir, {}, args);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  const code = await new Promise<number | null>((done) => child.once('close', done));
  clearTimeout(timer);
  return { code, output };
}

function spawnOrchestrator(
  dataDir: string,
  options: KeelsonOptions,
  args: readonly string[] = [],
): ChildProcess {
  const words = ['orchestrator/main.ts', '--data', dataDir, ...args];
  if (options.nodes !== undefined) words.push('--nodes', String(options.nodes));
  if (options.isEmpty === true) words.push('--no-demo');
  return spawn(NODE, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The ready line when a volume is expected, otherwise the API's first answer. */
async function whenReady(
  child: ChildProcess,
  isEmpty: boolean,
  output: () => string,
  api: ApiClient,
): Promise<void> {
  const ready = isEmpty
    ? eventually('the API answers', () => api.nodes(), { withinMs: START_TIMEOUT_MS })
    : whenPrinted(child, `ready: ${DEMO_URL}`, output);
  const ended = exitOf(child).then((code) => {
    throw new Error(`start Keelson: expected it to stay up, it ended with ${code}\n${output()}`);
  });
  await Promise.race([ready, ended]);
  ended.catch(() => undefined); // from here on an end is the test's own doing
}

function whenPrinted(child: ChildProcess, line: string, output: () => string): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(
      () => fail(new Error(`start Keelson: expected "${line}", got\n${output()}`)),
      START_TIMEOUT_MS,
    );
    const look = () => {
      if (!output().includes(line)) return;
      clearTimeout(timer);
      child.stdout?.off('data', look);
      done();
    };
    child.stdout?.on('data', look);
    child.once('exit', () => clearTimeout(timer));
  });
}

function whenHealthy(api: ApiClient, afterGeneration: number): Promise<void> {
  return eventually(
    'the volume is healthy',
    async () => {
      const { health, copies, membership } = await api.volume(DEMO);
      const areAllUp = copies.every((copy) => copy.state === 'in-sync' && copy.isConnected);
      const isAfter = membership.generation > afterGeneration;
      return health === 'healthy' && areAllUp && isAfter ? true : undefined;
    },
    { withinMs: HEALTHY_TIMEOUT_MS },
  ).then(() => undefined);
}

/** Lets the orchestrator stop in its own way, then makes sure that nothing outlives the test. */
async function endAll(child: ChildProcess, below: readonly ProcessInfo[]): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exitOf(child);
    clearTimeout(timer);
  }
  for (const { pid } of below) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // gone already, as it should be
    }
  }
}

function only<T>(found: readonly T[], what: string): T {
  const [first] = found;
  if (first === undefined || found.length > 1) {
    throw new Error(`${what}: expected one process, found ${found.length}`);
  }
  return first;
}
