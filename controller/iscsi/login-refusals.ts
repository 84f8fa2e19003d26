import { LOGIN_STATUS, type LoginStatus } from './constants.ts';

/**
 * Why a login is refused, and the status that says so on the wire (RFC 7143 section 11.13.5). The
 * reasons are for logs and metrics: several share a status, so that a peer learns no more than the
 * standard gives it.
 */
export const LOGIN_REFUSALS = {
  /** Keys or values that are not according to the step; a stage out of order; texts without end. */
  'protocol-error': LOGIN_STATUS.INITIATOR_ERROR,
  /** CHAP is required, and the initiator does not offer it or goes past it. */
  'authentication-required': LOGIN_STATUS.AUTHENTICATION_FAILURE,
  /** It insists on a method that the volume has no credentials for. */
  'no-common-method': LOGIN_STATUS.AUTHENTICATION_FAILURE,
  'no-common-algorithm': LOGIN_STATUS.AUTHENTICATION_FAILURE,
  /** A user that there is not, or a wrong secret. */
  'wrong-credentials': LOGIN_STATUS.AUTHENTICATION_FAILURE,
  /** It wants a proof of the target, which has none to give. */
  'no-mutual-credentials': LOGIN_STATUS.AUTHENTICATION_FAILURE,
  /** Our own challenge, or our own secret, sent back at us. */
  reflected: LOGIN_STATUS.AUTHENTICATION_FAILURE,
  'initiator-not-allowed': LOGIN_STATUS.AUTHORIZATION_FAILURE,
  'unknown-target': LOGIN_STATUS.TARGET_NOT_FOUND,
  'unsupported-version': LOGIN_STATUS.UNSUPPORTED_VERSION,
  'too-many-connections': LOGIN_STATUS.TOO_MANY_CONNECTIONS,
  'missing-parameter': LOGIN_STATUS.MISSING_PARAMETER,
  'unsupported-session-type': LOGIN_STATUS.SESSION_TYPE_NOT_SUPPORTED,
  'unknown-session': LOGIN_STATUS.SESSION_DOES_NOT_EXIST,
  'not-a-login': LOGIN_STATUS.INVALID_DURING_LOGIN,
  'out-of-resources': LOGIN_STATUS.OUT_OF_RESOURCES,
} as const satisfies Record<string, LoginStatus>;

export type LoginRefusal = keyof typeof LOGIN_REFUSALS;

export const LOGIN_REFUSAL_NAMES = Object.keys(LOGIN_REFUSALS) as readonly LoginRefusal[];
