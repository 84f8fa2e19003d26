import { KeelsonError } from '../../replica/common/errors.ts';
import { readBoolean, readObject } from '../../replica/common/validate.ts';

/** Who must prove what at a login (RFC 7143 section 12.1.3). Never part of an answer, log or error. */
export interface ChapCredentials {
  /** Each may log in; several, so that a secret can be replaced while initiators use the old one. */
  readonly users: readonly ChapUser[];
  /** What the target proves itself with to initiators that ask for it; null: it cannot. */
  readonly mutual: ChapUser | null;
  /** Less than 96 bits of secret, which the RFC allows only where IPsec protects the network. */
  readonly allowsShortSecrets: boolean;
}

export interface ChapUser {
  readonly name: string;
  readonly secret: string;
}

export const CHAP_MODES = ['none', 'one-way', 'mutual'] as const;
/** What users are told of the credentials. */
export type ChapMode = (typeof CHAP_MODES)[number];

/** Where a controller finds credentials for a volume that has none of its own. */
export const CHAP_VARIABLES = {
  user: 'KEELSON_CHAP_USER',
  secret: 'KEELSON_CHAP_SECRET',
  mutualUser: 'KEELSON_CHAP_MUTUAL_USER',
  mutualSecret: 'KEELSON_CHAP_MUTUAL_SECRET',
} as const;

/** 96 bits: the least that RFC 7143 section 12.1.3 allows on a network that is not encrypted. */
export const MIN_SECRET_BYTES = 12;
/** More than any initiator takes. */
const MAX_SECRET_BYTES = 255;
const MAX_USER_NAME_CHARS = 255;
const MAX_USERS = 16;

/** Printable ASCII: what every initiator can be given, in a file that is split at spaces. */
const WORD = /^[\x21-\x7e]+$/;

export function chapModeOf(credentials: ChapCredentials | null): ChapMode {
  if (credentials === null) return 'none';
  return credentials.mutual === null ? 'one-way' : 'mutual';
}

/** Credentials, or null where there are none. Errors: INVALID_ARGUMENT, which shows no secret. */
export function decodeChapOrNull(value: unknown): ChapCredentials | null {
  return value === null ? null : decodeChap(value);
}

/** Errors: INVALID_ARGUMENT, which shows no secret. */
export function decodeChap(value: unknown): ChapCredentials {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('expected an object with users and, for mutual CHAP, mutual');
  }
  const fields = readObject(value, 'chap');
  if (!Array.isArray(fields.users)) throw invalid('expected a list of users');
  const credentials = {
    users: fields.users.map(decodeUser),
    mutual: (fields.mutual ?? null) === null ? null : decodeUser(fields.mutual),
    allowsShortSecrets:
      fields.allowsShortSecrets !== undefined && readBoolean(fields, 'allowsShortSecrets'),
  };
  const reason = whyInvalidChap(credentials);
  if (reason !== undefined) throw invalid(reason);
  return credentials;
}

/** Why these credentials cannot be used, in words that show no secret. */
export function whyInvalidChap(credentials: ChapCredentials): string | undefined {
  const { users, mutual, allowsShortSecrets } = credentials;
  if (users.length === 0 || users.length > MAX_USERS) {
    return `expected 1 to ${MAX_USERS} users, got ${users.length}`;
  }
  if (new Set(users.map(({ name }) => name)).size < users.length) {
    return 'expected each user name once';
  }
  for (const user of mutual === null ? users : [...users, mutual]) {
    const reason = whyInvalidUser(user, allowsShortSecrets);
    if (reason !== undefined) return reason;
  }
  const isShared = users.some(({ secret }) => secret === mutual?.secret);
  return isShared
    ? 'the mutual user has the secret of another user, so an initiator could send back what the ' +
        'target proved itself with; give it a secret of its own (RFC 7143 section 12.1.3)'
    : undefined;
}

function whyInvalidUser({ name, secret }: ChapUser, allowsShort: boolean): string | undefined {
  if (name.length > MAX_USER_NAME_CHARS || !WORD.test(name)) {
    return `a user name: expected 1 to ${MAX_USER_NAME_CHARS} printable characters without spaces`;
  }
  const min = allowsShort ? 1 : MIN_SECRET_BYTES;
  if (WORD.test(secret) && secret.length >= min && secret.length <= MAX_SECRET_BYTES) {
    return undefined;
  }
  return `the secret of user ${name}: expected ${min} to ${MAX_SECRET_BYTES} printable characters without spaces`;
}

function decodeUser(value: unknown): ChapUser {
  const { name, secret } = (typeof value === 'object' && value !== null ? value : {}) as {
    name?: unknown;
    secret?: unknown;
  };
  if (typeof name === 'string' && typeof secret === 'string') return { name, secret };
  throw invalid('expected each user to have a name and a secret');
}

function invalid(reason: string): KeelsonError {
  return new KeelsonError('INVALID_ARGUMENT', `CHAP credentials: ${reason}`);
}
