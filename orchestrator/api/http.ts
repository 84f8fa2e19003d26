import type { IncomingMessage, ServerResponse } from 'node:http';
import { ERROR_CODES, KeelsonError } from '../../replica/common/errors.ts';
import { parseJson } from '../../replica/common/validate.ts';

export const MAX_BODY_BYTES = 1024 * 1024;

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // Where several orchestrators share an address, the next connection may lead to one that can.
    ...(status === 503 ? { connection: 'close' } : {}),
    // RFC 9110 section 11.6.1: a 401 says how to do better.
    ...(status === 401 ? { 'www-authenticate': 'Bearer realm="keelson"' } : {}),
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
