import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicClock } from '../replica/common/clock.ts';
import { KeelsonError, messageOf, systemCodeOf } from '../replica/common/errors.ts';
import type { Log } from '../replica/common/log.ts';
import { type ApiServer, listenApi } from './api/server.ts';
import { openToken } from './api/token-file.ts';
import { fetchControllerStatus } from './client/controller-status.ts';
import type { EventLog } from './events/event-log.ts';
import { Installation } from './installation/installation.ts';
import type { Endpoint } from './model/address-plan.ts';
import { nodeNames } from './model/layout.ts';
import { LOOPBACK_ADDRESSES } from './model/loopback-addresses.ts';
import { decodeVolumeRequest, type VolumeRecord } from './model/volume.ts';
import { DEFAULT_NODE_COUNT, type Options } from './options.ts';
import { processesOf } from './plan/processes.ts';
import { findGone } from './platforms/process/earlier-instances.ts';
import {
  endpointOf,
  ProcessPlatform,
  type ProcessPlatformOptions,
  prepareNodes,
} from './platforms/process/process-platform.ts';
import { Registry } from './registry/registry.ts';
import { lockRoot } from './registry/root-lock.ts';

export interface StartOptions extends Omit<Options, 'isHelp'> {
  readonly programs: ProcessPlatformOptions['programs'];
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

/** The children of an orchestrator that was killed need a moment to notice. */
const PORT_WAIT_MS = 3_000;
const PORT_RETRY_MS = 50;

/**
 * Brings up an embedded installation: the lock first, so that nothing is touched twice; then the
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
    const registry = await Registry.open(options.root, nodeNames(DEFAULT_NODE_COUNT));
    if (options.nodeCount !== undefined) await registry.setNodes(nodeNames(options.nodeCount));
    await makeNodes(options.root, registry);
    await noteGone(registry);
    const { apiHost: host, apiPort: port, isTokenRequired } = options;
    const token = openToken(options.root);
    api = await listenApi({ host, port, token, isTokenRequired }, options.log);
    const registryUrl = api.url;
    const installation = new Installation({
      registry,
      events: options.events,
      fetchStatus: fetchControllerStatus,
      replaceAfterMs: options.replaceAfterMs,
      makePlatform: (onChange) =>
        new ProcessPlatform({
          ...{ root: options.root, registryUrl, nodes: registry.nodes },
          installationId: registry.installationId,
          programs: options.programs,
          onChange,
        }),
    });
    const server = api;
    server.serve(installation);
    const wantsDemo = options.hasDemo && registry.list().length === 0;
    await checkPorts(wantsDemo ? demoEndpoints(registry) : registry.list().flatMap(endpointsOf));
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

/** Makes the directories of nodes that are new, once: one that is missing later is a missing disk. */
export async function makeNodes(root: string, registry: Registry): Promise<void> {
  for (const name of prepareNodes(root, registry)) {
    await registry.changeNode(name, { isPrepared: true });
  }
}

/**
 * Before the API is there: controllers that an earlier orchestrator left behind cannot change the
 * record then. Their replicas ended with that orchestrator, and they would strike them off.
 */
async function noteGone(registry: Registry): Promise<void> {
  for (const { volume, instanceId } of await findGone(registry.startedInstances)) {
    // If it cannot be stored, its successor waits for leases that nobody holds: slow, not wrong.
    await registry.addGoneInstance(volume, instanceId).catch(() => undefined);
  }
}

async function createDemo(installation: Installation): Promise<void> {
  const replicas = Math.min(DEMO_REPLICAS, installation.registry.nodes.length - 1);
  const labels = { 'keelson.io/replicas': String(replicas) };
  await installation.create(decodeVolumeRequest({ ...DEMO, labels }));
}

function demoEndpoints({ nodes }: Registry): Endpoint[] {
  const replicas = nodes.map(({ name }) => LOOPBACK_ADDRESSES.replica(0, name));
  return [LOOPBACK_ADDRESSES.portal(0), ...replicas];
}

function endpointsOf(record: VolumeRecord): Endpoint[] {
  if (record.isDeleting) return [];
  return processesOf(record).map(endpointOf);
}

/** Says at once what a child could only say by failing to start again and again. */
async function checkPorts(endpoints: readonly Endpoint[]): Promise<void> {
  const deadlineMs = monotonicClock.nowMs() + PORT_WAIT_MS;
  for (const endpoint of endpoints) {
    for (;;) {
      const reason = await whyNotFree(endpoint);
      if (reason === undefined) break;
      if (monotonicClock.nowMs() >= deadlineMs) {
        throw new KeelsonError(
          'IN_USE',
          `listen on ${endpoint.host}:${endpoint.port}: ${reason}; stop the program that holds it`,
        );
      }
      await sleep(PORT_RETRY_MS);
    }
  }
}

function whyNotFree({ host, port }: Endpoint): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => {
      const isTaken = systemCodeOf(error) === 'EADDRINUSE';
      resolve(isTaken ? 'the port is in use' : messageOf(error));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
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
