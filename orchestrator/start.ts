import { mkdirSync } from 'node:fs';
import { KeelsonError, messageOf } from '../replica/common/errors.ts';
import type { Log } from '../replica/common/log.ts';
import { type ApiServer, listenApi } from './api/server.ts';
import { openToken } from './api/token-file.ts';
import { fetchControllerStatus } from './client/controller-status.ts';
import type { EventLog } from './events/event-log.ts';
import { Installation } from './installation/installation.ts';
import { decodeVolumeRequest } from './model/volume.ts';
import type { Options } from './options.ts';
import type { PlatformKind } from './platforms/platform-kind.ts';
import { Registry } from './registry/registry.ts';
import { lockRoot } from './registry/root-lock.ts';

export interface StartOptions
  extends Pick<Options, 'root' | 'apiHost' | 'apiPort' | 'isTokenRequired' | 'replaceAfterMs'> {
  readonly kind: PlatformKind;
  readonly log: Log;
  readonly events: EventLog;
}

export interface Orchestrator {
  readonly installation: Installation;
  readonly apiUrl: string;
  /** Stops controllers, then replicas, then the API. */
  close(): Promise<void>;
}

/** What a new installation shows itself with: one volume, three copies (S6). */
const DEMO = { namespace: 'default', name: 'demo', size: '1Gi' };
const DEMO_REPLICAS = 2;

/**
 * Brings up an installation: the lock first, so that nothing is touched twice; then the
 * API, which the controllers need; then the volumes.
 *
 * Errors: IN_USE (directory or port), IO_FAILED, CORRUPT, FAILED_PRECONDITION (fewer nodes than
 * hold copies); nothing is left running.
 */
export async function startOrchestrator(options: StartOptions): Promise<Orchestrator> {
  makeRoot(options.root);
  const lock = lockRoot(options.root);
  let api: ApiServer | undefined;
  try {
    const { kind, events, replaceAfterMs, log } = options;
    const registry = await Registry.open(options.root, kind.defaultNodes);
    if (kind.nodes !== undefined) await registry.setNodes(kind.nodes);
    await kind.prepare(registry);
    const { apiHost: host, apiPort: port, isTokenRequired } = options;
    const token = openToken(options.root);
    const server = await listenApi({ host, port, token, isTokenRequired }, log);
    api = server;
    const installation = new Installation({
      ...{ registry, events, replaceAfterMs, fetchStatus: fetchControllerStatus },
      makePlatform: (onChange) => kind.make({ registry, api: server, log, onChange }),
    });
    const wantsDemo = kind.hasDemo && registry.list().length === 0;
    server.serve(installation);
    await kind.survey(registry);
    installation.start();
    if (wantsDemo) await createDemo(installation);
    return {
      installation,
      apiUrl: server.url,
      async close() {
        await installation.close();
        await server.close();
        lock.release();
      },
    };
  } catch (error) {
    await api?.close();
    lock.release();
    throw error;
  }
}

async function createDemo(installation: Installation): Promise<void> {
  const replicas = Math.min(DEMO_REPLICAS, installation.registry.nodes.length - 1);
  const labels = { 'keelson.io/replicas': String(replicas) };
  await installation.create(decodeVolumeRequest({ ...DEMO, labels }));
}

function makeRoot(root: string): void {
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new KeelsonError(
      'IO_FAILED',
      `create ${root}: ${messageOf(cause)}; choose another directory with --data`,
      { cause },
    );
  }
}
