import { resolve } from 'node:path';
import { ORCHESTRATOR_PORT } from '../replica/common/limits.ts';
import { isLoopback } from './api/access.ts';
import { MAX_NODES } from './model/layout.ts';
import { DOCKER_OPTIONS, readDocker } from './options/docker.ts';
import { KUBERNETES_OPTIONS, readKubernetes } from './options/kubernetes.ts';
import {
  type Environment,
  invalid,
  parseValues,
  readAddress,
  readNumber,
  type Values,
} from './options/values.ts';
import type { DockerOptions } from './platforms/docker/docker.ts';
import type { KubernetesOptions } from './platforms/kubernetes/kubernetes-options.ts';

export interface Options {
  readonly isHelp: boolean;
  readonly apiPort: number;
  /** An IP address of this machine, on which the API listens. */
  readonly apiHost: string;
  /** The API asks for the installation's token: always beyond loopback, and wherever that is wanted. */
  readonly isTokenRequired: boolean;
  readonly platform: PlatformOptions;
  /** How long a copy's node may be down before another copy is made on another node. */
  readonly replaceAfterMs: number;
}

export type PlatformOptions =
  | ({ readonly name: 'process' } & ProcessOptions)
  | ({ readonly name: 'docker' } & DockerOptions)
  | ({ readonly name: 'kubernetes' } & KubernetesOptions);

export interface ProcessOptions {
  /** Absolute. */
  readonly root: string;
  /** undefined: as many as last time, or DEFAULT_NODE_COUNT. */
  readonly nodeCount: number | undefined;
  /** Create default/demo when there is no volume at all. */
  readonly hasDemo: boolean;
}

export const DEFAULT_REPLACE_AFTER_SECONDS = 60;
const MAX_REPLACE_AFTER_SECONDS = 86_400;

/** Errors: INVALID_ARGUMENT. */
export function parseOptions(words: readonly string[], environment: Environment): Options {
  const values = parseValues(words);
  const { 'api-port': apiPort = String(ORCHESTRATOR_PORT) } = values;
  const replaceAfter = values['replace-after'] ?? String(DEFAULT_REPLACE_AFTER_SECONDS);
  const apiHost = readAddress('--listen', values.listen ?? '127.0.0.1');
  const replaceAfterRange = [0, MAX_REPLACE_AFTER_SECONDS] as const;
  return {
    isHelp: values.help === true,
    apiPort: readNumber('--api-port', apiPort, [0, 65535]),
    apiHost,
    isTokenRequired: values['require-token'] === true || !isLoopback(apiHost),
    platform: readPlatform(values, environment),
    replaceAfterMs: readNumber('--replace-after', replaceAfter, replaceAfterRange) * 1000,
  };
}

/** Those of every platform; the rest means nothing on the others, and is refused there. */
const OWN_OPTIONS = {
  process: ['data', 'nodes', 'no-demo'],
  docker: ['data', ...DOCKER_OPTIONS],
  kubernetes: KUBERNETES_OPTIONS,
} as const satisfies Record<PlatformOptions['name'], readonly (keyof Values)[]>;

function readPlatform(values: Values, environment: Environment): PlatformOptions {
  const name = values.platform ?? environment.KEELSON_PLATFORM ?? 'process';
  if (!isPlatform(name)) {
    const expected = 'expected process, docker or kubernetes';
    throw invalid(`--platform: ${expected}, got ${name.slice(0, 40)}`);
  }
  const own: readonly string[] = OWN_OPTIONS[name];
  const foreign = Object.values(OWN_OPTIONS)
    .flat()
    .find((option) => values[option] !== undefined && !own.includes(option));
  if (foreign !== undefined) throw invalid(`--${foreign}: not with --platform ${name}`);
  if (name === 'kubernetes') return { name, ...readKubernetes(values, environment) };
  const root = resolve(values.data ?? environment.KEELSON_DATA ?? '.keelson');
  if (name === 'docker') return { name, root, ...readDocker(values, environment) };
  const { nodes } = values;
  return {
    ...{ name, root },
    nodeCount: nodes === undefined ? undefined : readNumber('--nodes', nodes, [1, MAX_NODES]),
    hasDemo: values['no-demo'] !== true,
  };
}

function isPlatform(name: string): name is PlatformOptions['name'] {
  return Object.hasOwn(OWN_OPTIONS, name);
}
