import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import { type Access, DEFAULT_API } from '../cli/arguments.ts';
import { checkDefaults } from './core/create-options.ts';
import type { Options as VolumeOptions } from './core/plugin-request.ts';

export interface Options {
  readonly isHelp: boolean;
  readonly access: Access;
  /** Absolute. */
  readonly socket: string;
  /** Absolute. */
  readonly stateDir: string;
  readonly defaults: VolumeOptions;
  readonly chapFile: string | undefined;
}

const DEFAULT_SOCKET = '/run/docker/plugins/keelson.sock';
const DEFAULT_STATE_DIR = '/var/lib/keelson/docker-driver';

export const HELP = `npm run docker-driver -- [options]

The Docker volume driver keelson, for the engine of this host. It needs root, and for mounting
open-iscsi, sg3-utils and a kernel with an iSCSI initiator. See docs/docker-driver.md.

  --api URL           of the orchestrator   (default: $KEELSON_API or ${DEFAULT_API})
  --token-file FILE   holds the API's token (default: $KEELSON_TOKEN_FILE, or $KEELSON_TOKEN itself)
  --default KEY=VALUE option or label of volumes that are created without one of their own; repeated
  --chap-file FILE    CHAP user of the volumes that are created here, and for those that ask for it
  --socket PATH       its name without .sock is the driver's
                      (default: ${DEFAULT_SOCKET})
  --state-dir DIR     what is attached here (default: ${DEFAULT_STATE_DIR})
  --help
`;

/** Errors: INVALID_ARGUMENT. */
export function parseOptions(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options {
  const values = parseValues(words);
  const api = values.api ?? environment.KEELSON_API ?? DEFAULT_API;
  if (!/^https?:$/.test(URL.parse(api)?.protocol ?? '')) {
    throw invalid(`--api: expected a URL such as ${DEFAULT_API}, got ${api.slice(0, 80)}`);
  }
  const tokenFile = values['token-file'] ?? environment.KEELSON_TOKEN_FILE;
  const { KEELSON_TOKEN: token } = environment;
  return {
    isHelp: values.help === true,
    access: {
      api,
      ...(tokenFile === undefined ? {} : { tokenFile }),
      ...(token === undefined ? {} : { token }),
    },
    socket: resolve(values.socket ?? DEFAULT_SOCKET),
    stateDir: resolve(values['state-dir'] ?? DEFAULT_STATE_DIR),
    defaults: readDefaults(values.default ?? []),
    chapFile: values['chap-file'],
  };
}

function parseValues(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        api: { type: 'string' },
        'token-file': { type: 'string' },
        default: { type: 'string', multiple: true },
        'chap-file': { type: 'string' },
        socket: { type: 'string' },
        'state-dir': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw invalid(messageOf(cause).split('. ')[0] ?? '');
  }
}

function readDefaults(texts: readonly string[]): VolumeOptions {
  const defaults = new Map<string, string>();
  for (const text of texts) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === '') throw invalid(`--default: expected KEY=VALUE, got ${text.slice(0, 80)}`);
    if (defaults.has(name)) throw invalid(`--default ${name}: expected it once`);
    defaults.set(name, value);
  }
  const read = Object.fromEntries(defaults);
  try {
    checkDefaults(read);
  } catch (cause) {
    throw invalid(`--default: ${messageOf(cause)}`);
  }
  return read;
}

function invalid(message: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `${message}; see --help`);
}
