import { type ErrorCode, KeelsonError } from '../../replica/common/errors.ts';

/** The command line does not say what to do. */
export class UsageError extends Error {
  /** @param about the command that was meant, if one was */
  constructor(message: string, about = '') {
    super(`${message}; see keelson ${about === '' ? '' : `${about} `}--help`);
    this.name = 'UsageError';
  }
}

/** A Ctrl-C ended a wait. What was begun goes on without us. */
export class Interrupted extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Interrupted';
  }
}

/** For scripts: each outcome that one may want to tell from the others. */
export const EXIT_CODES = {
  done: { code: 0, about: 'done' },
  failed: { code: 1, about: 'it failed; the message says why' },
  wrongInput: {
    code: 2,
    about: 'the command line, a file or a value is wrong: nothing was changed',
  },
  notFound: { code: 3, about: 'there is no such volume, rule or node' },
  refused: { code: 4, about: 'refused as things are: it exists and differs, or is in use' },
  unavailable: { code: 5, about: 'no orchestrator answers, or it did not happen in time' },
  notAllowed: { code: 6, about: 'the token is missing or wrong' },
  interrupted: { code: 130, about: 'Ctrl-C ended a wait; what was begun goes on' },
} as const;

const OUTCOMES: Readonly<Partial<Record<ErrorCode, keyof typeof EXIT_CODES>>> = {
  INVALID_ARGUMENT: 'wrongInput',
  TOO_LARGE: 'wrongInput',
  NOT_FOUND: 'notFound',
  ALREADY_EXISTS: 'refused',
  CONFLICT: 'refused',
  FAILED_PRECONDITION: 'refused',
  IN_USE: 'refused',
  UNAVAILABLE: 'unavailable',
  UNAUTHENTICATED: 'notAllowed',
};

/** The exit code for what was thrown; undefined for a bug of ours, whose stack one needs to see. */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof UsageError) return EXIT_CODES.wrongInput.code;
  if (error instanceof Interrupted) return EXIT_CODES.interrupted.code;
  if (error instanceof KeelsonError) return EXIT_CODES[OUTCOMES[error.code] ?? 'failed'].code;
  return undefined;
}
