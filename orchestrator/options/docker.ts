import { VERSION } from '../model/version.ts';
import type { DockerOptions } from '../platforms/docker/docker.ts';
import { readNodeOptions } from '../platforms/docker/node-option.ts';
import { DEFAULT_NETWORK_PREFIX, readNetworkPrefix } from '../platforms/docker/private-networks.ts';
import { type Environment, invalid, readAddress, type Values } from './values.ts';

/** One node, this machine's engine: for trying things out. */
const DEFAULT_NODE = 'name=node1';

export const DOCKER_OPTIONS = [
  ...(['node', 'advertise', 'network-prefix', 'name-prefix', 'image-prefix', 'image-tag'] as const),
];

/** Errors: INVALID_ARGUMENT. */
export function readDocker(values: Values, environment: Environment): Omit<DockerOptions, 'root'> {
  const listed = (environment.KEELSON_NODES ?? '').split(';').filter((node) => node !== '');
  const nodes = values.node ?? listed;
  const namePrefix = values['name-prefix'] ?? 'keelson';
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,31}$/.test(namePrefix)) {
    throw invalid('--name-prefix: expected 1 to 32 letters, digits, _ and -');
  }
  const docker = {
    nodes: readNodeOptions(nodes.length === 0 ? [DEFAULT_NODE] : nodes),
    // Compose sets a variable that is not given to nothing.
    advertise: readAdvertise(values.advertise ?? (environment.KEELSON_ADVERTISE || undefined)),
    networkPrefix: readNetworkPrefix(values['network-prefix'] ?? DEFAULT_NETWORK_PREFIX),
    namePrefix,
    imagePrefix: values['image-prefix'] ?? 'keelson/',
    imageTag: values['image-tag'] ?? VERSION,
  };
  const isPublished = docker.nodes.some(({ address }) => address !== undefined);
  if (isPublished === (docker.advertise !== undefined)) return docker;
  throw invalid(
    isPublished
      ? '--advertise: expected an address of this machine, since the nodes have addresses'
      : '--advertise: expected an address=… for every --node as well',
  );
}

function readAdvertise(text: string | undefined): string | undefined {
  return text === undefined ? undefined : readAddress('--advertise', text);
}
