import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ApiClient } from '../../orchestrator/client/api-client.ts';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { eventually, exitOf } from '../support/child.ts';
import { NODE, ROOT } from '../support/keelson.ts';
import { descendantsOf, type ProcessInfo } from '../support/processes.ts';
import type { Timeline } from './timeline.ts';

export type Role = 'controller' | 'replica';

/** As a service manager would wait before it starts a service that ended again. */
const RESTART_PAUSE_MS = 200;
/** Some absences are shorter and some longer. */
const REPLACE_AFTER_SECONDS = 3;
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;

export interface InstallationOptions {
  readonly dataDir: string;
  readonly nodeCount: number;
  readonly logPath: string;
  readonly timeline: Timeline;
}

/** An embedded installation whose orchestrator is started again whenever it ends. */
export class Installation {
  readonly api = new ApiClient({ url: 'http://127.0.0.1:5705' });
  readonly #options: InstallationOptions;
  readonly #log: WriteStream;
  #orchestrator: ChildProcess | undefined;
  #isStopping = false;
  readonly #loop: Promise<void>;

  constructor(options: InstallationOptions) {
    this.#options = options;
    this.#log = createWriteStream(options.logPath);
    this.#loop = this.#stayUp();
  }

  async whenUp(): Promise<void> {
    await eventually('the API answers', () => this.api.nodes(), { withinMs: START_LIMIT_MS });
  }

  /** The volumes once all of them are healthy with all their copies; none when `signal` ends it. */
  whenHealthy(limits: { withinMs: number; signal: AbortSignal }): Promise<VolumeView[]> {
    return eventually(
      'every volume is healthy',
      async () => {
        if (limits.signal.aborted) return [];
        const volumes = await this.api.volumes();
        return volumes.every(isHealthy) ? volumes : undefined;
      },
      { withinMs: limits.withinMs },
    );
  }

  /** What runs now, of all volumes or of one. */
  processes(role?: Role, volume?: string): ProcessInfo[] {
    return descendantsOf(this.#orchestrator?.pid ?? 0).filter(
      ({ command }) =>
        /\b(controller|replica)\/main\.ts /.test(command) &&
        (role === undefined || command.includes(`${role}/main.ts`)) &&
        (volume === undefined || command.includes(`--volume default/${volume} `)),
    );
  }

  killOrchestrator(): void {
    this.#orchestrator?.kill('SIGKILL');
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    const child = this.#orchestrator;
    child?.kill('SIGTERM');
    const timer = setTimeout(() => child?.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.#loop;
    clearTimeout(timer);
    await new Promise<void>((done) => this.#log.end(done));
  }

  async #stayUp(): Promise<void> {
    const { dataDir, nodeCount, timeline } = this.#options;
    const words = ['orchestrator/main.ts', '--data', dataDir, '--nodes', String(nodeCount)];
    words.push('--no-demo', '--replace-after', String(REPLACE_AFTER_SECONDS));
    while (!this.#isStopping) {
      const child = spawn(NODE, words, {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child.stdout.pipe(this.#log, { end: false });
      child.stderr.pipe(this.#log, { end: false });
      this.#orchestrator = child;
      const code = await exitOf(child);
      timeline.note(`the orchestrator ended with ${code ?? child.signalCode}`);
      if (!this.#isStopping) await pause(RESTART_PAUSE_MS);
    }
  }
}

/** What a command line says behind an option. */
export function optionOf({ command }: ProcessInfo, option: string): string {
  return new RegExp(`--${option} (\\S+)`).exec(command)?.[1] ?? '';
}

export function nodeOf(replica: ProcessInfo): string {
  return /\/nodes\/(\w+)\//.exec(optionOf(replica, 'data-dir'))?.[1] ?? '';
}

export function dataFileOf(dataDir: string, volume: VolumeView, node: string): string {
  const directory = `${volume.namespace}.${volume.name}-${volume.id}`;
  return join(dataDir, 'nodes', node, directory, 'data');
}

function isHealthy({ health, copies, replicas }: VolumeView): boolean {
  const inSync = copies.filter(({ state, isConnected }) => state === 'in-sync' && isConnected);
  return health === 'healthy' && inSync.length === replicas + 1 && copies.length === replicas + 1;
}
