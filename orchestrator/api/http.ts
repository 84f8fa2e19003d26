import type { IncomingMessage, ServerResponse } from 'node:http';
import { ERROR_CODES, KeelsonError } from '../../replica/common/errors.ts';
import { parseJson } from '../../replica/common/validate.ts';

export const MAX_BODY_BYTES = 1024 * 1024;

const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

/** Errors are `{ error: { code, message } }`. What is no KeelsonError is a bug of ours: INTERNAL. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { code, message } =
    error instanceof KeelsonError
      ? error
      : { code: 'INTERNAL' as const, message: 'the orchestrator failed; its log says why' };
  sendJson(response, ERROR_CODES[code].http, { error: { code, message } });
}

/** Errors: TOO_LARGE, INVALID_ARGUMENT. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) {
      throw new KeelsonError('TOO_LARGE', `body: expected at most ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return parseJson(Buffer.concat(chunks).toString('utf8'), 'body');
}

/**
 * Keeps web pages out until there is token authentication: a page that rebinds its own name to
 * 127.0.0.1 still sends that name as Host, and a page of another origin says so in Origin.
 *
 * Errors: INVALID_ARGUMENT, UNAUTHENTICATED.
 */
export function checkSameMachine(request: IncomingMessage): void {
  const host = request.headers.host ?? '';
  if (!LOOPBACK_HOSTS.has(host.replace(/:\d{1,5}$/, ''))) {
    throw new KeelsonError(
      'INVALID_ARGUMENT',
      `Host ${JSON.stringify(host.slice(0, 80))}: expected localhost or 127.0.0.1`,
    );
  }
  const { origin } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new KeelsonError('UNAUTHENTICATED', 'requests of other web sites are refused');
  }
}

/** The token of `Authorization: Bearer TOKEN`, or an empty one. */
export function bearerToken(request: IncomingMessage): string {
  return /^Bearer ([\x21-\x7e]{1,256})$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
}
