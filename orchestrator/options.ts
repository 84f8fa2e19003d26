import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { KeelsonError, messageOf } from '../replica/common/errors.ts';
import { ORCHESTRATOR_PORT } from '../replica/common/limits.ts';
import { isLoopback } from './api/access.ts';
import { MAX_NODES } from './model/layout.ts';

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
  /** How long a copy's node may be down before another copy is made on another node. */
  readonly replaceAfterMs: number;
}

export const DEFAULT_NODE_COUNT = 3;

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
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    const reason = messageOf(cause).split('. ')[0] ?? '';
    throw new KeelsonError('INVALID_ARGUMENT', `${reason}; see --help`, { cause });
  }
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
