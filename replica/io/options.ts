import { parseArgs } from 'node:util';
import { messageOf } from '../common/errors.ts';
import {
  BLOCK_BYTES,
  MAX_VOLUME_BYTES,
  REPLICA_ADMIN_PORT,
  REPLICATION_PORT,
} from '../common/limits.ts';
import {
  invalidOption as invalid,
  readPort,
  readSecret,
  SECRET_VARIABLE,
} from '../common/process-options.ts';

export interface ReplicaOptions {
  readonly volumeId: string;
  /** namespace/name, for people. */
  readonly volume: string;
  readonly replicaId: string;
  readonly dataDir: string;
  readonly sizeBytes: number;
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  readonly secret: Buffer;
}

/**
 * Reads the command line. The secret comes by the environment, since every user of the machine
 * sees a command line.
 *
 * Errors: INVALID_ARGUMENT, in one sentence.
 */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ReplicaOptions {
  const values = parse(args);
  const required = (name: keyof typeof values): string => {
    const value = values[name];
    if (value === undefined || value === '') throw invalid(`--${name}: expected a value, got none`);
    return value;
  };
  return {
    volumeId: required('volume-id'),
    volume: required('volume'),
    replicaId: required('replica-id'),
    dataDir: required('data-dir'),
    sizeBytes: readSize(required('size')),
    host: required('listen'),
    port: readPort('port', values.port, REPLICATION_PORT),
    adminPort: readPort('admin-port', values['admin-port'], REPLICA_ADMIN_PORT),
    secret: readSecret(environment[SECRET_VARIABLE]),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ 'volume-id': text, volume: text, 'replica-id': text, 'data-dir': text },
        ...{ size: text, listen: text, port: text, 'admin-port': text },
      },
    }).values;
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

function readSize(text: string): number {
  const size = Number(text);
  const isValid =
    /^\d+$/.test(text) &&
    size >= BLOCK_BYTES &&
    size <= MAX_VOLUME_BYTES &&
    size % BLOCK_BYTES === 0;
  if (!isValid) {
    throw invalid(
      `--size: expected a multiple of ${BLOCK_BYTES} up to ${MAX_VOLUME_BYTES} bytes, got ${text}`,
    );
  }
  return size;
}
