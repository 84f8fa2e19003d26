import {
  BLOCK_BYTES,
  MAX_VOLUME_BYTES,
  REPLICA_ADMIN_PORT,
  REPLICATION_PORT,
} from '../common/limits.ts';
import type { NodeIdentity } from '../common/node-directory.ts';
import {
  invalidOption as invalid,
  readCommandLine,
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
  /** Whose directory the one above `dataDir` must be; undefined where the orchestrator has looked. */
  readonly node: NodeIdentity | undefined;
  readonly sizeBytes: number;
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  readonly secret: Buffer;
}

const OPTIONS = [
  ...(['volume-id', 'volume', 'replica-id', 'data-dir', 'size'] as const),
  ...(['node', 'installation', 'listen', 'port', 'admin-port'] as const),
];

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
  const { required, optional } = readCommandLine(args, OPTIONS);
  return {
    volumeId: required('volume-id'),
    volume: required('volume'),
    replicaId: required('replica-id'),
    dataDir: required('data-dir'),
    node:
      optional('node') === undefined
        ? undefined
        : { node: required('node'), installation: required('installation') },
    sizeBytes: readSize(required('size')),
    host: required('listen'),
    port: readPort('port', optional('port'), REPLICATION_PORT),
    adminPort: readPort('admin-port', optional('admin-port'), REPLICA_ADMIN_PORT),
    secret: readSecret(environment[SECRET_VARIABLE]),
  };
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
