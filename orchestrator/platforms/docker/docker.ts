import { assert } from '../../../replica/common/assert.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { addressOf } from '../../model/volume.ts';
import { processesByKey } from '../../plan/processes.ts';
import type { Registry } from '../../registry/registry.ts';
import type { PlatformKind } from '../platform-kind.ts';
import { Root } from '../root.ts';
import { DockerPlatform } from './docker-platform.ts';
import type { DockerNode } from './node-option.ts';
import { privateNetworks } from './private-networks.ts';
import { publishedAddresses } from './published-addresses.ts';

export interface DockerOptions {
  /** The orchestrator's own directory, absolute. */
  readonly root: string;
  readonly nodes: readonly DockerNode[];
  readonly networkPrefix: string;
  readonly namePrefix: string;
  /** Before `controller` and `replica`. */
  readonly imagePrefix: string;
  readonly imageTag: string;
  /** An IP address of this machine at which controllers on all engines find the registry. */
  readonly advertise: string | undefined;
}

/** Docker: every node an engine, every process a container. */
export function docker(options: DockerOptions): PlatformKind {
  const { nodes, namePrefix, networkPrefix, imagePrefix, imageTag, advertise } = options;
  const names = nodes.map(({ name }) => name);
  const root = new Root(options.root);
  let platform: DockerPlatform | undefined;
  return {
    place: options.root,
    hasDemo: false,
    advice: {
      command: 'keelson',
      end: 'When this ends, volumes go on; what fails is started again when it is back.',
    },
    open: () => root.open(),
    readRecords: () => root.readRecords(names, names),
    make({ registry, api, log, onChange }) {
      const numberOfNode = (name: string) => numberOf(registry, name);
      const networks = privateNetworks(networkPrefix, numberOfNode);
      const published = publishedAddresses({
        addressOf: (name) => nodes.find((node) => node.name === name)?.address ?? '',
        numberOf: numberOfNode,
        controllerNode: (slot) => platform?.controllerNode(slot) ?? names[0] ?? '',
      });
      platform = new DockerPlatform({
        context: {
          ...{ installation: registry.installationId, namePrefix, networks },
          images: {
            controller: `${imagePrefix}controller:${imageTag}`,
            replica: `${imagePrefix}replica:${imageTag}`,
          },
          registryUrl: (slot) => `http://${advertise ?? networks.gateway(slot)}:${api.port}`,
          published: advertise === undefined ? undefined : published,
        },
        ...{ nodes, nodeRecords: registry.nodes, log, onChange },
        wanted: () => processesByKey(registry.list()),
        openDoor: (gateway) => api.openDoor(advertise ?? gateway),
        closeDoor: (gateway) => {
          if (advertise === undefined) api.closeDoor(gateway);
        },
        onPrepared: (node) => registry.changeNode(node, { isPrepared: true }),
      });
      return platform;
    },
    async survey(registry) {
      assert(platform !== undefined, 'made before it looks around');
      await platform.open();
      refuseUnreachable(platform);
      await noteGone(registry, platform.liveInstances());
    },
    close: () => root.close(),
  };
}

/** One engine that is away is an outage to live with; all of them are a mistake to be told. */
function refuseUnreachable(platform: DockerPlatform): void {
  const nodes = platform.observeNodes();
  if (nodes.some(({ down }) => down === undefined)) return;
  const reasons = new Set(nodes.map(({ name, down }) => `${name}: ${down?.reason}`));
  platform.kill();
  throw new KeelsonError('UNAVAILABLE', `no node can be used: ${[...reasons].join('; ')}`);
}

/** Controllers that ended while no orchestrator was there: nobody waits for their leases (I7). */
async function noteGone(registry: Registry, live: ReadonlySet<string> | undefined): Promise<void> {
  if (live === undefined) return; // one may run where nobody can look
  for (const { spec, membership, goneInstances } of registry.list()) {
    const instanceId = membership.controller?.instanceId;
    if (instanceId === undefined || live.has(instanceId)) continue;
    if (!goneInstances.includes(instanceId)) {
      await registry.addGoneInstance(addressOf(spec), instanceId);
    }
  }
}

function numberOf({ nodes }: Registry, name: string): number {
  const node = nodes.find((candidate) => candidate.name === name);
  assert(node !== undefined, 'a copy is on a node of the installation', { name });
  return node.number;
}
