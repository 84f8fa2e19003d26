import { type ChildProcess, spawn } from 'node:child_process';
import { ApiClient } from '../../../orchestrator/client/api-client.ts';
import { DEFAULT_SYSTEM_NAMESPACE } from '../../../orchestrator/platforms/kubernetes/names.ts';
import { ORCHESTRATOR_PORT } from '../../../replica/common/limits.ts';
import { eventually, exitOf } from '../../support/child.ts';
import { NODE } from '../../support/keelson.ts';

export const SYSTEM = DEFAULT_SYSTEM_NAMESPACE;
/** The pod that it takes itself for. */
export const POD_NAME = 'keelson-orchestrator-0';

const START_LIMIT_MS = 60_000;

/** The only orchestrator of a cluster, as a process of ours instead of a pod. */
export class LonelyOrchestrator {
  readonly url = `http://127.0.0.1:${ORCHESTRATOR_PORT}`;
  readonly api = new ApiClient({ url: this.url });
  readonly pid: number;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  /**
   * Resolves when it leads.
   *
   * @param program as the image has it
   */
  static async start(program: string, kubeconfig: string): Promise<LonelyOrchestrator> {
    const words = [
      ...[program, '--platform', 'kubernetes'],
      ...['--image-prefix', 'keelson/', '--image-tag', 'bench', '--replace-after', '600'],
    ];
    const child = spawn(NODE, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...{ ...process.env, KUBECONFIG: kubeconfig },
        ...{ POD_NAMESPACE: SYSTEM, POD_NAME },
      },
    });
    const orchestrator = new LonelyOrchestrator(child);
    const answers = eventually('the API answers', () => orchestrator.api.nodes(), {
      ...{ withinMs: START_LIMIT_MS, everyMs: 20 },
    });
    const ends = exitOf(child).then((code) => {
      throw new Error(`the orchestrator ended with ${code}\n${orchestrator.#output}`);
    });
    ends.catch(() => undefined); // from here on an end is our own doing
    await Promise.race([answers, ends]);
    return orchestrator;
  }

  get output(): string {
    return this.#output;
  }

  /** Its volumes go on, and the next one may lead at once. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await exitOf(this.#child);
  }
}
