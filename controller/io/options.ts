import { parseArgs } from 'node:util';
import { messageOf } from '../../replica/common/errors.ts';
import { CONTROLLER_ADMIN_PORT, ISCSI_PORT } from '../../replica/common/limits.ts';
import {
  invalidOption,
  readPort,
  readSecret,
  SECRET_VARIABLE,
} from '../../replica/common/process-options.ts';

export interface ControllerOptions {
  readonly namespace: string;
  readonly name: string;
  /** What it calls itself in the membership record: another one at each start. */
  readonly instanceId: string;
  /** URL of the orchestrator that keeps the membership record. */
  readonly registry: string;
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  readonly secret: Buffer;
}

/**
 * Reads the command line; the secret comes by the environment.
 *
 * Errors: INVALID_ARGUMENT, in one sentence.
 */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ControllerOptions {
  const values = parse(args);
  const required = (name: keyof typeof values): string => {
    const value = values[name];
    if (value === undefined || value === '') {
      throw invalidOption(`--${name}: expected a value, got none`);
    }
    return value;
  };
  const volume = required('volume');
  const [namespace, name, ...rest] = volume.split('/');
  if (namespace === undefined || name === undefined || rest.length > 0) {
    throw invalidOption(`--volume: expected NAMESPACE/NAME, got ${volume}`);
  }
  return {
    namespace,
    name,
    instanceId: readInstanceId(required('instance-id')),
    registry: readUrl(required('registry')),
    host: required('listen'),
    port: readPort('port', values.port, ISCSI_PORT),
    adminPort: readPort('admin-port', values['admin-port'], CONTROLLER_ADMIN_PORT),
    secret: readSecret(environment[SECRET_VARIABLE]),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ volume: text, 'instance-id': text, registry: text },
        ...{ listen: text, port: text, 'admin-port': text },
      },
    }).values;
  } catch (error) {
    throw invalidOption(messageOf(error));
  }
}

function readInstanceId(text: string): string {
  if (/^[a-zA-Z0-9-]{1,64}$/.test(text)) return text;
  throw invalidOption(`--instance-id: expected 1 to 64 letters, digits and -, got ${text}`);
}

function readUrl(text: string): string {
  if (!URL.canParse(text) || new URL(text).protocol !== 'http:') {
    throw invalidOption(`--registry: expected an http URL, got ${text}`);
  }
  return text;
}
