import {
  type ErrorCode,
  KeelsonError,
  messageOf,
  systemCodeOf,
} from '../../../replica/common/errors.ts';

interface Explanation {
  readonly code: ErrorCode;
  readonly pattern: RegExp;
  /** What it means and what to do; `$1` is what the pattern found. */
  readonly text: string;
}

/** By what the engine says. The first one that fits counts. */
const SAID: readonly Explanation[] = [
  {
    code: 'FAILED_PRECONDITION',
    pattern: /no such image: (\S+)/i,
    text: 'image $1 is not there; build it with npm run images, or load it with docker load',
  },
  {
    code: 'IN_USE',
    pattern: /pool overlaps with other one on this address space/i,
    text: 'another network of the engine has these addresses; choose others with --network-prefix',
  },
  {
    code: 'IN_USE',
    pattern: /address already in use/i,
    text: 'another container has this address; see docker network inspect',
  },
  {
    code: 'FAILED_PRECONDITION',
    pattern: /bind source path does not exist: (\S+)/i,
    text: '$1 is missing on the node; is its disk mounted?',
  },
  {
    code: 'NO_SPACE',
    pattern: /no space left on device/i,
    text: 'the disk of the engine is full; make room on it',
  },
  {
    code: 'FAILED_PRECONDITION',
    pattern: /client sent an HTTP request to an HTTPS server/i,
    text: 'it wants TLS; give tls=DIRECTORY with ca.pem, cert.pem and key.pem',
  },
];

const CUT = 'it ended the connection; if it speaks TLS, does it know our certificate?';
const CUT_LOCALLY = 'it ended the connection; is Docker starting or stopping there?';

/** By the system's code of an error that kept us from asking at all. */
const UNREACHED: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket; is Docker running there?',
  ECONNREFUSED: 'nobody answers; is Docker running there?',
  EACCES:
    'permission denied; run the orchestrator as root, or as a member of the group that owns the socket',
  ENOTFOUND: 'no such host',
  EHOSTUNREACH: 'the host is unreachable',
  ETIMEDOUT: 'no answer in time',
  ECONNRESET: CUT,
  EPIPE: CUT,
  EPROTO: 'it does not speak TLS; leave tls= out, or ask at its TLS port',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by ca.pem',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by ca.pem',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by ca.pem',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by ca.pem',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
};

/** One clear sentence for what an engine refused, or why it could not be asked. */
export function explainEngineError(engine: string, action: string, cause: unknown): KeelsonError {
  if (cause instanceof KeelsonError) return cause;
  const said = messageOf(cause);
  const code = systemCodeOf(cause);
  const unreached = code === undefined ? undefined : UNREACHED[code];
  if (unreached !== undefined || isTlsAlert(code, said)) {
    const local = unreached === CUT && engine.startsWith('unix:') ? CUT_LOCALLY : undefined;
    const reason =
      local ?? unreached ?? 'it refuses our certificate; is cert.pem signed by its CA?';
    return new KeelsonError('UNAVAILABLE', `engine ${engine}: ${reason}`, { cause });
  }
  for (const { code: errorCode, pattern, text } of SAID) {
    const found = pattern.exec(said);
    if (found === null) continue;
    const reason = text.replace('$1', found[1] ?? '');
    return new KeelsonError(errorCode, `${action} on engine ${engine}: ${reason}`, { cause });
  }
  const reason = said.replace(/^\(HTTP code \d+\) /, '').trim();
  return new KeelsonError('IO_FAILED', `${action} on engine ${engine}: ${reason}`, { cause });
}

/** What the HTTP status of an engine's refusal was; undefined when it said nothing. */
export function statusOf(error: unknown): number | undefined {
  const cause = error instanceof KeelsonError ? error.cause : error;
  const isObject = typeof cause === 'object' && cause !== null;
  return isObject && 'statusCode' in cause && typeof cause.statusCode === 'number'
    ? cause.statusCode
    : undefined;
}

function isTlsAlert(code: string | undefined, said: string): boolean {
  return code?.startsWith('ERR_SSL_') === true || /alert (bad )?certificate/i.test(said);
}
