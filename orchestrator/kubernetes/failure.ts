import { type ErrorCode, KeelsonError } from '../../replica/common/errors.ts';
import type { Answer } from './transport.ts';

const MAX_SHOWN_CHARS = 500;

/** What we read of a Status (meta/v1), the server's word on why it did not. */
export interface Status {
  readonly reason: string;
  readonly message: string;
  readonly code: number;
  /** Whether it speaks of one object: then the resource is there, at least. */
  readonly isOfObject: boolean;
}

export interface FailureContext {
  /** `create Pod demo/web`, to begin the sentence. */
  readonly what: string;
  /** Where the server finds fault with what it was sent, it may repeat it. */
  readonly isSecret: boolean;
}

/** Of an answer that is no success, whoever gave it. */
export function statusOf({ status, text }: Answer): Status {
  const found = statusIn(parsed(text));
  if (found !== undefined) return { ...found, code: found.code === 0 ? status : found.code };
  return { reason: '', message: text, code: status, isOfObject: false };
}

/** undefined: it is none. */
export function statusIn(value: unknown): Status | undefined {
  if (!isFields(value) || value.kind !== 'Status') return undefined;
  const { reason, message, code, details } = value;
  return {
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message : '',
    code: typeof code === 'number' ? code : 0,
    isOfObject: isFields(details) && typeof details.name === 'string',
  };
}

/** One sentence, with the server's own words. */
export function failureFrom(status: Status, { what, isSecret }: FailureContext): KeelsonError {
  const said = status.message.replace(/\s+/g, ' ').trim().slice(0, MAX_SHOWN_CHARS);
  const code = codeOf(status);
  const mayRepeat = isSecret && (code === 'INVALID_ARGUMENT' || code === 'UNAVAILABLE');
  const words = mayRepeat || said === '' ? status.reason : said;
  const number = `HTTP status ${status.code}`;
  const answer = words === '' ? number : words;
  const hint = isUnknownResource(status)
    ? ' (the server does not have this kind; for those of Keelson, apply manifests/kubernetes/base/crds)'
    : '';
  return new KeelsonError(code, `${what}: the Kubernetes API said: ${answer}${hint}`);
}

/** No such object, as against no such kind of object. */
export function isMissing(status: Status): boolean {
  return status.code === 404 && status.isOfObject;
}

function isUnknownResource({ code, isOfObject }: Status): boolean {
  return code === 404 && !isOfObject;
}

function codeOf({ code, reason }: Status): ErrorCode {
  if (reason === 'AlreadyExists') return 'ALREADY_EXISTS';
  switch (code) {
    case 401: // a token that is being replaced, or a server that just starts
    case 408:
    case 429:
      return 'UNAVAILABLE';
    case 403:
      return 'FAILED_PRECONDITION';
    case 404:
      return 'NOT_FOUND';
    case 409:
    case 410:
      return 'CONFLICT';
    default:
      return code >= 400 && code < 500 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE';
  }
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
