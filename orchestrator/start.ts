import type { Log } from '../replica/common/log.ts';
import { type ApiServer, listenApi } from './api/server.ts';
import { fetchControllerStatus } from './client/controller-status.ts';
import type { EventLog } from './events/event-log.ts';
import { Installation } from './installation/installation.ts';
import { decodeVolumeRequest } from './model/volume.ts';
import type { Options } from './options.ts';
import type { PlatformKind } from './platforms/platform-kind.ts';

export interface StartOptions
  extends Pick<Options, 'apiHost' | 'apiPort' | 'isTokenRequired' | 'replaceAfterMs'> {
  readonly kind: PlatformKind;
  readonly log: Log;
  readonly events: EventLog;
}

/** One that serves the registry. */
export interface Orchestrator {
  readonly installation: Installation;
  readonly apiUrl: string;
  /**
   * Resolves when it leads and looks after its volumes; where there is no other one, soon.
   *
   * Errors: IN_USE, UNAVAILABLE; it is of no use then.
   */
  readonly started: Promise<void>;
  /** Rejects when another one leads instead of it: it has to end. */
  readonly lost: Promise<never>;
  /** Stops controllers, then replicas, then the API, as far as they are to stop with it. */
  close(): Promise<void>;
}

/** What a new installation shows itself with: one volume, three copies (S6). */
const DEMO = { namespace: 'default', name: 'demo', size: '1Gi' };
const DEMO_REPLICAS = 2;

/**
 * Brings up an installation: what only one may have first, so that nothing is touched twice; then the
 * API, which the controllers need; then the volumes.
 *
 * Errors: IN_USE (directory or port), IO_FAILED, CORRUPT, FAILED_PRECONDITION; nothing is left running.
 */
export async function startOrchestrator(options: StartOptions): Promise<Orchestrator> {
  const { kind, apiHost: host, apiPort: port, isTokenRequired, log } = options;
  await kind.open();
  let api: ApiServer | undefined;
  try {
    // Before the records are read, which may take a while: it answers that it is alive.
    api = await listenApi({ host, port, isTokenRequired }, log);
    return await serve(options, api);
  } catch (error) {
    await api?.close();
    await kind.close();
    throw error;
  }
}

async function serve(options: StartOptions, api: ApiServer): Promise<Orchestrator> {
  const { kind, events, replaceAfterMs, log } = options;
  const { registry, token } = await kind.readRecords();
  const { leadership } = kind;
  const installation = new Installation({
    ...{ registry, events, replaceAfterMs, fetchStatus: fetchControllerStatus },
    makePlatform: (onChange) => kind.make({ registry, api, log, onChange }),
  });
  await kind.whenAddressed?.();
  api.serve({ installation, token, leadership });
  const started = start(kind, installation);
  return {
    ...{ installation, apiUrl: api.url, started },
    lost: leadership?.lost ?? Promise.withResolvers<never>().promise,
    async close() {
      // What it looks at is not to change under its eyes. Who follows does not look.
      if (leadership?.isGained !== false) await started.catch(() => undefined);
      await kind.dismiss?.();
      await installation.close();
      await api.close();
      await kind.close();
    },
  };
}

async function start(kind: PlatformKind, installation: Installation): Promise<void> {
  const { registry } = installation;
  const wantsDemo = kind.hasDemo && registry.list().length === 0;
  await kind.leadership?.gained;
  await kind.survey(registry);
  installation.start();
  kind.accompany?.(installation);
  if (wantsDemo) await createDemo(installation);
}

async function createDemo(installation: Installation): Promise<void> {
  const replicas = Math.min(DEMO_REPLICAS, installation.registry.nodes.length - 1);
  const labels = { 'keelson.io/replicas': String(replicas) };
  await installation.create(decodeVolumeRequest({ ...DEMO, labels }));
}
