import { ApiClient } from '../client/api-client.ts';
import type { Access } from './arguments.ts';
import { readToken } from './token-file.ts';

/** Errors: those of reading the token. Nobody is asked anything yet. */
export async function connect(access: Access, timeoutMs?: number): Promise<ApiClient> {
  const token = await readToken(access);
  return new ApiClient({
    url: access.api,
    ...(token === undefined ? {} : { token }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}
