import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { KeelsonError, messageOf } from '../replica/common/errors.ts';
import { ORCHESTRATOR_PORT } from '../replica/common/limits.ts';
import { isLoopback } from './api/access.ts';
import { MAX_NODES } from './model/layout.ts';
import { VERSION } from './model/version.ts';
import type { DockerOptions } from './platforms/docker/docker.ts';
import { DEFAULT_ENGINE } from './platforms/docker/engine-address.ts';
import { DEFAULT_DATA_ROOT, readNodeOptions } from './platforms/docker/node-option.ts';
import { DEFAULT_NETWORK_PREFIX, readNetworkPrefix } from './platforms/docker/private-networks.ts';
import { DEFAULT_NODE_COUNT } from './platforms/process/embedded.ts';

export interface Options {
  readonly isHelp: boolean;
  /** Absolute. */
  readonly root: string;
  /** undefined: as many as last time, or DEFAULT_NODE_COUNT. */
  readonly nodeCount: number | undefined;
  readonly apiPort: number;
  /** An IP address of this machine, on which the API listens. */
  readonly apiHost: string;
  /** The API asks for the installation's token: always beyond loopback, and wherever that is wanted. */
  readonly isTokenRequired: boolean;
  /** Create default/demo when there is no volume at all. */
  readonly hasDemo: boolean;
  /** undefined on the embedded platform. */
  readonly docker: DockerOptions | undefined;
  /** How long a copy's node may be down before another copy is made on another node. */
  readonly replaceAfterMs: number;
}

/** One node, this machine's engine: for trying things out. */
const DEFAULT_NODE = 'name=node1';

const DEFAULT_REPLACE_AFTER_SECONDS = 60;
const MAX_REPLACE_AFTER_SECONDS = 86_400;

export const HELP = `npm start -- [options]

  --data DIR        where everything is kept   (default: $KEELSON_DATA or ./.keelson)
  --nodes 3         number of nodes, 1 to ${MAX_NODES}    (default: as last time, or ${DEFAULT_NODE_COUNT})
  --api-port 5705   port of the API
  --listen ADDRESS  IP address of the API      (default: 127.0.0.1)
                    beyond loopback it asks for the token in DIR/token
  --require-token   ask for the token on loopback, too
  --replace-after ${DEFAULT_REPLACE_AFTER_SECONDS}  seconds that a copy may be away before another node gets one
  --no-demo         do not create the volume default/demo on an empty installation
  --help

On Docker, with --platform docker, nodes are engines and processes containers:

  --node name=NAME[,data=DIR][,engine=URL][,tls=DIR][,address=ADDRESS]     once for each node
                    data     its directory            (default: ${DEFAULT_DATA_ROOT}/NAME)
                    engine   unix:///SOCKET, tcp://HOST:PORT or ssh://USER@HOST
                                                      (default: ${DEFAULT_ENGINE})
                    tls      ca.pem, cert.pem, key.pem for a tcp engine
                    address  IP address that all nodes reach; with several engines
                    or $KEELSON_NODES, with ; between them
  --advertise ADDRESS      IP address of this machine that all nodes reach; with several engines
  --network-prefix ${DEFAULT_NETWORK_PREFIX}   two octets of the private networks, one a volume
  --image-prefix keelson/  --image-tag ${VERSION}
  --name-prefix keelson    before the names of containers and networks
`;

/** Errors: INVALID_ARGUMENT. */
export function parseOptions(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options {
  const values = parseValues(words);
  const { nodes, 'api-port': apiPort = String(ORCHESTRATOR_PORT) } = values;
  const replaceAfter = values['replace-after'] ?? String(DEFAULT_REPLACE_AFTER_SECONDS);
  const apiHost = readAddress('--listen', values.listen ?? '127.0.0.1');
  const replaceAfterRange = [0, MAX_REPLACE_AFTER_SECONDS] as const;
  return {
    isHelp: values.help === true,
    root: resolve(values.data ?? environment.KEELSON_DATA ?? '.keelson'),
    nodeCount: nodes === undefined ? undefined : readNumber('--nodes', nodes, [1, MAX_NODES]),
    apiPort: readNumber('--api-port', apiPort, [0, 65535]),
    apiHost,
    isTokenRequired: values['require-token'] === true || !isLoopback(apiHost),
    hasDemo: values['no-demo'] !== true,
    docker: readDocker(values, environment),
    replaceAfterMs: readNumber('--replace-after', replaceAfter, replaceAfterRange) * 1000,
  };
}

function parseValues(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        data: { type: 'string' },
        nodes: { type: 'string' },
        'api-port': { type: 'string' },
        listen: { type: 'string' },
        'require-token': { type: 'boolean' },
        'replace-after': { type: 'string' },
        'no-demo': { type: 'boolean' },
        platform: { type: 'string' },
        node: { type: 'string', multiple: true },
        advertise: { type: 'string' },
        'network-prefix': { type: 'string' },
        'name-prefix': { type: 'string' },
        'image-prefix': { type: 'string' },
        'image-tag': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    const reason = messageOf(cause).split('. ')[0] ?? '';
    throw new KeelsonError('INVALID_ARGUMENT', `${reason}; see --help`, { cause });
  }
}

type Values = ReturnType<typeof parseValues>;

const DOCKER_ONLY = [
  ...(['node', 'advertise', 'network-prefix', 'name-prefix', 'image-prefix', 'image-tag'] as const),
];
const EMBEDDED_ONLY = ['nodes', 'no-demo'] as const;

function readDocker(
  values: Values,
  environment: Readonly<Record<string, string | undefined>>,
): DockerOptions | undefined {
  const platform = values.platform ?? environment.KEELSON_PLATFORM ?? 'process';
  if (platform !== 'process' && platform !== 'docker') {
    throw invalid(`--platform: expected process or docker, got ${platform.slice(0, 40)}`);
  }
  const foreign = platform === 'docker' ? EMBEDDED_ONLY : DOCKER_ONLY;
  const given = foreign.find((option) => values[option] !== undefined);
  if (given !== undefined) throw invalid(`--${given}: not with --platform ${platform}`);
  if (platform === 'process') return undefined;
  const listed = (environment.KEELSON_NODES ?? '').split(';').filter((node) => node !== '');
  const nodes = values.node ?? listed;
  const namePrefix = values['name-prefix'] ?? 'keelson';
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,31}$/.test(namePrefix)) {
    throw invalid('--name-prefix: expected 1 to 32 letters, digits, _ and -');
  }
  const docker = {
    nodes: readNodeOptions(nodes.length === 0 ? [DEFAULT_NODE] : nodes),
    advertise: readAdvertise(values.advertise ?? environment.KEELSON_ADVERTISE),
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

function invalid(message: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `${message}; see --help`);
}

function readAddress(option: string, text: string): string {
  if (isIP(text) !== 0) return text;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `${option}: expected an IP address such as 0.0.0.0, got ${text.slice(0, 80)}; see --help`,
  );
}

function readNumber(option: string, text: string, [min, max]: readonly [number, number]): number {
  const value = Number(text);
  if (/^\d{1,5}$/.test(text) && value >= min && value <= max) return value;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `${option}: expected a whole number from ${min} to ${max}, got ${text.slice(0, 40)}; see --help`,
  );
}
