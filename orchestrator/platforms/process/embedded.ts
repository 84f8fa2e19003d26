import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicClock } from '../../../replica/common/clock.ts';
import { KeelsonError, messageOf, systemCodeOf } from '../../../replica/common/errors.ts';
import { type Endpoint, showEndpoint } from '../../model/address-plan.ts';
import { DEFAULT_NODE_COUNT, nodeNames } from '../../model/layout.ts';
import { LOOPBACK_ADDRESSES } from '../../model/loopback-addresses.ts';
import type { VolumeRecord } from '../../model/volume.ts';
import { processesOf } from '../../plan/processes.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Ground, PlatformKind } from '../platform-kind.ts';
import { Root } from '../root.ts';
import { findGone } from './earlier-instances.ts';
import {
  endpointOf,
  ProcessPlatform,
  type ProcessPlatformOptions,
  prepareNodes,
} from './process-platform.ts';

/** The children of an orchestrator that was killed need a moment to notice. */
const PORT_WAIT_MS = 3_000;
const PORT_RETRY_MS = 50;

/** Embedded: everything on this machine, every node a directory below `root`. */
export function embedded(options: {
  readonly root: string;
  /** undefined: as many as last time. */
  readonly nodeCount: number | undefined;
  readonly hasDemo: boolean;
  readonly programs: ProcessPlatformOptions['programs'];
}): PlatformKind {
  const { nodeCount, hasDemo, programs } = options;
  const root = new Root(options.root);
  return {
    place: options.root,
    hasDemo,
    advice: {
      command: 'npm run -s keelson --',
      end: 'Ctrl-C stops everything; the data stays where it is.',
    },
    open: () => root.open(),
    async readRecords() {
      const nodes = nodeCount === undefined ? undefined : nodeNames(nodeCount);
      const records = await root.readRecords(nodeNames(DEFAULT_NODE_COUNT), nodes);
      await makeNodes(options.root, records.registry);
      await noteGone(records.registry);
      return records;
    },
    make: ({ registry, api, onChange }: Ground) =>
      new ProcessPlatform({
        ...{ programs, onChange, registryUrl: api.url, nodes: registry.nodes },
        root: options.root,
        installationId: registry.installationId,
      }),
    async survey(registry) {
      const records = registry.list();
      const wantsDemo = hasDemo && records.length === 0;
      await checkPorts(wantsDemo ? demoEndpoints(registry) : records.flatMap(endpointsOf));
    },
    close: () => root.close(),
  };
}

/** Makes the directories of nodes that are new, once: one that is missing later is a missing disk. */
export async function makeNodes(root: string, registry: Registry): Promise<void> {
  for (const name of prepareNodes(root, registry)) {
    await registry.changeNode(name, { isPrepared: true });
  }
}

/**
 * Before the API serves: controllers that an earlier orchestrator left behind cannot change the
 * record then. Their replicas ended with that orchestrator, and they would strike them off.
 */
async function noteGone(registry: Registry): Promise<void> {
  for (const { volume, instanceId } of await findGone(registry.startedInstances)) {
    // If it cannot be stored, its successor waits for leases that nobody holds: slow, not wrong.
    await registry.addGoneInstance(volume, instanceId).catch(() => undefined);
  }
}

/** The place of a new installation's first volume. */
const FIRST = { slot: 0 };

function demoEndpoints({ nodes }: Registry): Endpoint[] {
  const replicas = nodes.map(({ name }) => LOOPBACK_ADDRESSES.replica(FIRST, { node: name }));
  return [LOOPBACK_ADDRESSES.portal(FIRST), ...replicas];
}

function endpointsOf(record: VolumeRecord): Endpoint[] {
  return record.isDeleting ? [] : processesOf(record).map(endpointOf);
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
          `listen on ${showEndpoint(endpoint)}: ${reason}; stop the program that holds it`,
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
