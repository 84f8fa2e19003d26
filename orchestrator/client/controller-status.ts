import { CHAP_MODES } from '../../controller/protocol/chap-credentials.ts';
import { COPY_STATES } from '../../controller/protocol/membership.ts';
import type {
  ControllerStatus,
  CopyStatus,
  Health,
  SyncProgress,
} from '../../controller/protocol/status.ts';
import { MAX_COPIES } from '../../replica/common/limits.ts';
import {
  type Fields,
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readOneOf,
  readString,
} from '../../replica/common/validate.ts';
import type { Endpoint } from '../model/address-plan.ts';

const TIMEOUT_MS = 1_000;
const HEALTHS = ['healthy', 'degraded', 'unavailable'] as const satisfies readonly Health[];
const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** What a controller says of itself; undefined when it does not answer in time or not sensibly. */
export async function fetchControllerStatus({
  host,
  port,
}: Endpoint): Promise<ControllerStatus | undefined> {
  try {
    const response = await fetch(`http://${host}:${port}/status`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.ok ? decodeControllerStatus(await response.json()) : undefined;
  } catch {
    return undefined; // not up yet, or hung: the volume counts as unavailable either way
  }
}

/** Errors: INVALID_ARGUMENT. */
export function decodeControllerStatus(value: unknown): ControllerStatus {
  const fields = readObject(value, 'status');
  const target = readObject(fields.target, 'target');
  return {
    volume: readString(fields, 'volume'),
    instanceId: readString(fields, 'instanceId'),
    epoch: readInteger(fields, 'epoch', COUNT),
    generation: readInteger(fields, 'generation', COUNT),
    health: readOneOf(fields, 'health', HEALTHS),
    target: {
      name: readString(target, 'name'),
      portal: readString(target, 'portal'),
      sessions: readInteger(target, 'sessions', COUNT),
      chap: readOneOf(target, 'chap', CHAP_MODES),
    },
    copies: readArray(fields, 'copies', MAX_COPIES * 2).map((copy) =>
      decodeCopyStatus(readObject(copy, 'copy')),
    ),
    lz4: readString(fields, 'lz4'),
  };
}

function decodeCopyStatus(fields: Fields): CopyStatus {
  return {
    replicaId: readString(fields, 'replicaId'),
    node: readString(fields, 'node'),
    state: readOneOf(fields, 'state', COPY_STATES),
    isConnected: readBoolean(fields, 'isConnected'),
    isPrimary: readBoolean(fields, 'isPrimary'),
    ...(fields.sync === undefined ? {} : { sync: decodeSync(readObject(fields.sync, 'sync')) }),
  };
}

/** Rate and ETA are estimates: fractions are fine, and no estimate yet comes as null. */
function decodeSync(fields: Fields): SyncProgress {
  const estimate = (name: string) => {
    const value = fields[name];
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
  };
  return {
    doneBytes: readInteger(fields, 'doneBytes', COUNT),
    totalBytes: readInteger(fields, 'totalBytes', COUNT),
    differenceBytes: readInteger(fields, 'differenceBytes', COUNT),
    bytesPerSecond: estimate('bytesPerSecond'),
    etaSeconds: estimate('etaSeconds'),
  };
}
