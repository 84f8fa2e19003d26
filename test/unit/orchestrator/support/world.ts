import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControllerStatus } from '../../../../controller/protocol/status.ts';
import { type ApiServer, listenApi } from '../../../../orchestrator/api/server.ts';
import { ApiClient } from '../../../../orchestrator/client/api-client.ts';
import { EventLog } from '../../../../orchestrator/events/event-log.ts';
import { Installation } from '../../../../orchestrator/installation/installation.ts';
import { nodeNames } from '../../../../orchestrator/model/layout.ts';
import type { Leadership } from '../../../../orchestrator/platforms/platform-kind.ts';
import { makeNodes } from '../../../../orchestrator/platforms/process/embedded.ts';
import { ProcessPlatform } from '../../../../orchestrator/platforms/process/process-platform.ts';
import { Registry } from '../../../../orchestrator/registry/registry.ts';
import { expectDocumentedAnswers } from '../../../support/documented-answers.ts';

const PROGRAM = join(__dirname, 'fake-child.ts');
/** Of every world. */
export const TOKEN = '0123456789abcdef'.repeat(4);
const WAIT_MS = 4_000;

export interface WorldOptions {
  /** Of an earlier world; otherwise a new one. */
  readonly root?: string;
  readonly nodeCount?: number;
  readonly replaceAfterMs?: number;
  /** The API asks for `TOKEN`. */
  readonly isTokenRequired?: boolean;
  /** The installation is not started: its platform still looks around. */
  readonly isSurveying?: boolean;
  /** Another orchestrator serves the same registry. */
  readonly leadership?: Leadership;
}

/** An orchestrator over real HTTP and real child processes that only pretend. */
export class World {
  readonly root: string;
  readonly events: EventLog;
  readonly installation: Installation;
  readonly api: ApiServer;
  readonly client: ApiClient;
  /** What every controller answers at /status. */
  status: ControllerStatus | undefined;

  private constructor(options: WorldOptions, root: string, registry: Registry, api: ApiServer) {
    this.root = root;
    this.api = api;
    this.events = new EventLog(() => new Date(0));
    this.client = new ApiClient({ url: api.url });
    expectDocumentedAnswers(api.url);
    this.installation = new Installation({
      registry,
      events: this.events,
      fetchStatus: async () => this.status,
      replaceAfterMs: options.replaceAfterMs ?? 60_000,
      makePlatform: (onChange) =>
        new ProcessPlatform({
          ...{ root, registryUrl: api.url, nodes: registry.nodes },
          installationId: registry.installationId,
          programs: { controller: PROGRAM, replica: PROGRAM },
          onChange,
        }),
    });
    const token = { text: TOKEN, place: 'the test' };
    api.serve({ installation: this.installation, token, leadership: options.leadership });
    if (options.isSurveying !== true) this.installation.start();
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const log = { info: () => undefined, warn: () => undefined, error: console.error };
    const root = options.root ?? mkdtempSync(join(tmpdir(), 'keelson-world-'));
    const registry = await Registry.open(root, nodeNames(options.nodeCount ?? 3));
    await makeNodes(root, registry);
    const isTokenRequired = options.isTokenRequired ?? false;
    const where = { host: '127.0.0.1', port: 0, isTokenRequired };
    return new World(options, root, registry, await listenApi(where, log));
  }

  /** Stops everything; the directory stays for a next start when asked to. */
  async stop(options = { keepsData: false }): Promise<void> {
    await this.installation.close();
    await this.api.close();
    if (!options.keepsData) rmSync(this.root, { recursive: true });
  }

  /** The message of the first event after `sequence` that matches. */
  waitForEvent(pattern: RegExp, sequence = 0): Promise<string> {
    const known = this.events.since(sequence).find(({ message }) => pattern.test(message));
    if (known !== undefined) return Promise.resolve(known.message);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        unsubscribe();
        const heard = this.events.since(0).map(({ message }) => message);
        reject(new Error(`no event ${pattern}, only: ${heard.join(' | ')}`));
      }, WAIT_MS);
      const unsubscribe = this.events.subscribe(({ message }) => {
        if (!pattern.test(message)) return;
        clearTimeout(timer);
        unsubscribe();
        resolve(message);
      });
    });
  }

  /** Resolves when the registry has come to say so: it tells of every change. */
  waitUntil(isSo: () => boolean): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        unsubscribe();
        settle();
      };
      const timer = setTimeout(() => end(() => reject(new Error(`never: ${isSo}`))), WAIT_MS);
      const unsubscribe = this.installation.registry.subscribe(() => {
        if (isSo()) end(resolve);
      });
    });
  }

  /** The fake child puts its process id where a port would be. */
  async pidOf(what: string, sequence = 0): Promise<number> {
    const message = await this.waitForEvent(new RegExp(`^${what} ready at`), sequence);
    return Number(message.split(':')[1]);
  }
}

export function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
