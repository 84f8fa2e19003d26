/**
 * One table of stable error codes for all of Keelson. Code compares `code`, never message text.
 * `http` is what an HTTP API answers when the error ends a request.
 */
export const ERROR_CODES = {
  INVALID_ARGUMENT: { http: 400 },
  UNAUTHENTICATED: { http: 401 },
  NOT_FOUND: { http: 404 },
  ALREADY_EXISTS: { http: 409 },
  CONFLICT: { http: 409 },
  FAILED_PRECONDITION: { http: 412 },
  TOO_LARGE: { http: 413 },
  INTERNAL: { http: 500 },
  UNAVAILABLE: { http: 503 },
  NO_SPACE: { http: 507 },
  /** A peer sent bytes that are not the protocol: its connection is closed, nothing else. */
  PROTOCOL_VIOLATION: { http: 400 },
  /** The other side holds a newer epoch (I4): this controller must stop. */
  EPOCH_SUPERSEDED: { http: 409 },
  /** The directory, the volume or the data id is not the one expected (I5). */
  WRONG_IDENTITY: { http: 412 },
  /** A node's directory is missing, or another node's: its disk is not mounted there. */
  WRONG_DISK: { http: 412 },
  /** Another process holds the directory (I9), or the port. */
  IN_USE: { http: 409 },
  /** Both metadata slots are unreadable. */
  CORRUPT: { http: 500 },
  IO_FAILED: { http: 500 },
} as const satisfies Record<string, { http: number }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * An error of the environment or of a peer, never of our own logic (that is an assertion).
 * The message reads: action, object, what was expected, what was found, what to do.
 */
export class KeelsonError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'KeelsonError';
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node.js system error such as `ENOSPC`, or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  // By shape: an error that was made in another realm (a jest sandbox) is no `instanceof Error`.
  const isObject = typeof error === 'object' && error !== null;
  return isObject && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether a call of the system failed for want of space, or of what the user's quota leaves of it. */
export function isDiskFull(error: unknown): boolean {
  const code = systemCodeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}
