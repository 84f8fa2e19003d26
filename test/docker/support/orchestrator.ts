import { type ChildProcess, spawn } from 'node:child_process';
import { ApiClient } from '../../../orchestrator/client/api-client.ts';
import { eventually, exitOf } from '../../support/child.ts';
import { NODE, ROOT } from '../../support/keelson.ts';

export interface OrchestratorOptions {
  readonly dataDir: string;
  /** Of --node, one each. */
  readonly nodes: readonly string[];
  readonly replaceAfterSeconds: number;
  readonly apiPort?: number;
  readonly args?: readonly string[];
  /** Run as this user, who may not do everything. */
  readonly uid?: number;
  readonly gid?: number;
}

/** Of all that the tests put on an engine. */
export const NAME_PREFIX = 'kresil';
const API_PORT = 5705;
const START_LIMIT_MS = 60_000;

/** An orchestrator on the Docker platform, as a process of the test. */
export class Orchestrator {
  readonly api: ApiClient;
  readonly pid: number;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(child: ChildProcess, apiPort: number) {
    this.api = new ApiClient({ url: `http://127.0.0.1:${apiPort}` });
    this.pid = child.pid ?? 0;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  /** Starts one that may fail: it is told by `ended` and `output`. */
  static spawn(options: OrchestratorOptions): Orchestrator {
    const {
      dataDir,
      nodes,
      replaceAfterSeconds,
      apiPort = API_PORT,
      args = [],
      uid,
      gid,
    } = options;
    const words = [
      ...['orchestrator/main.ts', '--platform', 'docker', '--data', dataDir],
      ...nodes.flatMap((node) => ['--node', node]),
      ...['--replace-after', String(replaceAfterSeconds), '--name-prefix', NAME_PREFIX],
      ...['--api-port', String(apiPort), ...args],
    ];
    const child = spawn(NODE, words, {
      ...{ cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    return new Orchestrator(child, apiPort);
  }

  /** Resolves when it has looked around: at every engine that answers, and at every disk there. */
  static async start(options: OrchestratorOptions): Promise<Orchestrator> {
    const orchestrator = Orchestrator.spawn(options);
    const answers = eventually('the API answers', () => orchestrator.api.nodes(), {
      ...{ withinMs: START_LIMIT_MS, everyMs: 10 },
    });
    const ends = orchestrator.ended.then((code) => {
      throw new Error(`the orchestrator ended with ${code}\n${orchestrator.output}`);
    });
    ends.catch(() => undefined); // from here on an end is the test's own doing
    await Promise.race([answers, ends]);
    return orchestrator;
  }

  get output(): string {
    return this.#output;
  }

  /** With its exit code; null after a signal. */
  get ended(): Promise<number | null> {
    return exitOf(this.#child);
  }

  /** It does nothing any more when this returns. */
  killAtOnce(): void {
    this.#child.kill('SIGKILL');
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.ended;
  }
}
