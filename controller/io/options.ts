import { randomBytes } from 'node:crypto';
import { CONTROLLER_ADMIN_PORT, ISCSI_PORT } from '../../replica/common/limits.ts';
import {
  invalidOption,
  readCommandLine,
  readPort,
  readSecret,
  SECRET_VARIABLE,
} from '../../replica/common/process-options.ts';
import {
  CHAP_VARIABLES,
  type ChapCredentials,
  whyInvalidChap,
} from '../protocol/chap-credentials.ts';
import { instanceIdIn, MAX_INSTANCE_ID_CHARS, SUFFIX_CHARS } from '../protocol/instance-id.ts';

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
  /** `host:port` where initiators reach it, if that is not where it listens. */
  readonly portal: string | undefined;
  readonly secret: Buffer;
  /** For a volume that has no CHAP credentials of its own; null: nothing is asked for then. */
  readonly chap: ChapCredentials | null;
}

const OPTIONS = [
  ...(['volume', 'instance-id', 'instance-prefix', 'registry', 'portal'] as const),
  ...(['listen', 'port', 'admin-port'] as const),
];

/**
 * Reads the command line; secrets come by the environment, which other users cannot see.
 *
 * Errors: INVALID_ARGUMENT, in one sentence.
 */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ControllerOptions {
  const { required, optional } = readCommandLine(args, OPTIONS);
  const volume = required('volume');
  const [namespace, name, ...rest] = volume.split('/');
  if (namespace === undefined || name === undefined || rest.length > 0) {
    throw invalidOption(`--volume: expected NAMESPACE/NAME, got ${volume}`);
  }
  return {
    namespace,
    name,
    instanceId: readInstanceId(optional('instance-id'), optional('instance-prefix')),
    registry: readUrl(required('registry')),
    host: required('listen'),
    port: readPort('port', optional('port'), ISCSI_PORT),
    adminPort: readPort('admin-port', optional('admin-port'), CONTROLLER_ADMIN_PORT),
    portal: readPortal(optional('portal')),
    secret: readSecret(environment[SECRET_VARIABLE]),
    chap: readChap(environment),
  };
}

function readChap(
  environment: Readonly<Record<string, string | undefined>>,
): ChapCredentials | null {
  const given = (name: string): string => environment[name] ?? '';
  const { user, secret, mutualUser, mutualSecret } = CHAP_VARIABLES;
  const isGiven = Object.values(CHAP_VARIABLES).some((name) => given(name) !== '');
  if (!isGiven) return null;
  const isMutual = given(mutualUser) !== '' || given(mutualSecret) !== '';
  const credentials = {
    users: [{ name: given(user), secret: given(secret) }],
    mutual: isMutual ? { name: given(mutualUser), secret: given(mutualSecret) } : null,
    allowsShortSecrets: false,
  };
  const reason = whyInvalidChap(credentials);
  if (reason === undefined) return credentials;
  throw invalidOption(`KEELSON_CHAP_… in the environment: ${reason}`);
}

/** Its whole name, or the place that it is one of many in (instance-id.ts). */
function readInstanceId(id: string | undefined, prefix: string | undefined): string {
  if ((id === undefined) === (prefix === undefined)) {
    const got = id === undefined ? 'none' : 'both';
    throw invalidOption(`--instance-id, --instance-prefix: expected one of them, got ${got}`);
  }
  if (prefix === undefined) return checkInstanceId('instance-id', id ?? '', MAX_INSTANCE_ID_CHARS);
  const maxChars = MAX_INSTANCE_ID_CHARS - 1 - SUFFIX_CHARS;
  const place = checkInstanceId('instance-prefix', prefix, maxChars);
  return instanceIdIn(place, randomBytes(SUFFIX_CHARS / 2).toString('hex'));
}

function checkInstanceId(option: string, text: string, maxChars: number): string {
  if (/^[a-zA-Z0-9-]+$/.test(text) && text.length <= maxChars) return text;
  const got = text.slice(0, 80);
  throw invalidOption(`--${option}: expected 1 to ${maxChars} letters, digits and -, got ${got}`);
}

/** As SendTargets tells it (RFC 7143, section 13.8). */
function readPortal(text: string | undefined): string | undefined {
  if (text === undefined || /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\]):\d{1,5}$/.test(text))
    return text;
  throw invalidOption(`--portal: expected ADDRESS:PORT, got ${text.slice(0, 80)}`);
}

function readUrl(text: string): string {
  if (!URL.canParse(text) || new URL(text).protocol !== 'http:') {
    throw invalidOption(`--registry: expected an http URL, got ${text}`);
  }
  return text;
}
