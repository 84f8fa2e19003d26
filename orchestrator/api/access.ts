import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { KeelsonError } from '../../replica/common/errors.ts';
import { isSameSecret } from '../installation/same-secret.ts';

/**
 * Who may call: `open` anybody, because it tells nothing; `token` whoever shows the installation's
 * token, if one is required; `volume-secret` whoever shows the secret of the volume it is about,
 * which the call itself checks.
 */
export type Access = 'open' | 'token' | 'volume-secret';

/** The token of an installation. */
export interface ApiToken {
  readonly text: string;
  /** Where those find it who may, as the end of `it is in …`. */
  readonly place: string;
}

export interface AccessRules {
  readonly token: ApiToken;
  /** Else calls from the same machine need none. */
  readonly isTokenRequired: boolean;
}

/**
 * Keeps out whoever may not call, and web pages always: a page of another origin says so in Origin.
 * Where no token is required, a page that rebinds its own name to 127.0.0.1 still sends that name as
 * Host; where one is shown, the page would have to know it.
 *
 * Errors: UNAUTHENTICATED; INVALID_ARGUMENT for a foreign Host.
 */
export function checkAccess(request: IncomingMessage, access: Access, rules: AccessRules): void {
  checkOrigin(request);
  const { host = '' } = request.headers;
  if (access !== 'token') return;
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    if (isSameSecret(rules.token.text, bearerToken(request))) return;
    throw new KeelsonError(
      'UNAUTHENTICATED',
      'authorization: expected the token of this installation, got another one; ' +
        `it is in ${rules.token.place}`,
    );
  }
  if (rules.isTokenRequired) {
    throw new KeelsonError(
      'UNAUTHENTICATED',
      "authorization: expected the installation's token, got none; " +
        `it is in ${rules.token.place}: give it with --token-file or $KEELSON_TOKEN_FILE`,
    );
  }
  checkHost(host);
}

/** Errors: UNAUTHENTICATED. */
export function checkOrigin({ headers: { host = '', origin } }: IncomingMessage): void {
  if (origin === undefined || origin === `http://${host}`) return;
  throw new KeelsonError('UNAUTHENTICATED', 'requests of other web sites are refused');
}

/** The token of `Authorization: Bearer TOKEN`, or an empty one. */
export function bearerToken(request: IncomingMessage): string {
  return /^Bearer ([\x21-\x7e]{1,256})$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
}

/** Whether only this machine reaches what listens there. */
export function isLoopback(address: string): boolean {
  if (isIP(address) === 4) return address.startsWith('127.');
  return address === '::1';
}

function checkHost(host: string): void {
  const name = host.replace(/:\d{1,5}$/, '').replace(/^\[(.*)\]$/, '$1');
  if (name === 'localhost' || isLoopback(name)) return;
  throw new KeelsonError(
    'INVALID_ARGUMENT',
    `Host ${JSON.stringify(host.slice(0, 80))}: expected localhost or 127.0.0.1; ` +
      'other names need the token of the installation',
  );
}
