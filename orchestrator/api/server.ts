import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assert } from '../../replica/common/assert.ts';
import { KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import { checkSameMachine, sendError } from './http.ts';
import { type Exchange, ROUTES, type Route } from './routes.ts';

/** Loopback only: whoever reaches the API may delete volumes, and there are no tokens yet. */
export const API_HOST = '127.0.0.1';

export interface ApiServer {
  readonly url: string;
  /** From here on requests are answered; until then they are told to come back. */
  serve(installation: Installation): void;
  close(): Promise<void>;
}

/**
 * Takes the port first, so that a second orchestrator is refused before anything is started; the
 * platform needs the address for the controllers anyway.
 *
 * Errors: IN_USE; IO_FAILED.
 */
export async function listenApi(port: number, log: Log): Promise<ApiServer> {
  let installation: Installation | undefined;
  const server = createServer((request, response) => {
    answer(installation, request, response).catch((error: unknown) => {
      if (!(error instanceof KeelsonError)) {
        log.error('request failed', { path: request.url, error: String(error) });
      }
      sendError(response, error);
    });
  });
  await listen(server, port);
  const address = server.address() as AddressInfo | null;
  assert(address !== null, 'a listening server has an address');
  return {
    url: `http://${API_HOST}:${address.port}`,
    serve: (ready) => {
      installation = ready;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections(); // event streams would never end by themselves
      }),
  };
}

async function answer(
  installation: Installation | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  checkSameMachine(request);
  const url = URL.parse(request.url ?? '', `http://${API_HOST}`);
  if (url === null) throw new KeelsonError('INVALID_ARGUMENT', 'path: expected a valid one');
  if (installation === undefined) throw new KeelsonError('UNAVAILABLE', 'the orchestrator starts');
  const { route, names } = findRoute(request.method ?? '', url.pathname);
  for (const name of url.searchParams.keys()) {
    if (route.query?.includes(name) === true) continue;
    throw new KeelsonError('INVALID_ARGUMENT', `query ${name.slice(0, 80)}: not known`);
  }
  const exchange: Exchange = { installation, request, response, query: url.searchParams, names };
  await route.handle(exchange);
}

function findRoute(method: string, pathname: string): { route: Route; names: string[] } {
  const parts = pathname.split('/');
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const names = matchPath(route.path.split('/'), parts);
    if (names !== undefined) return { route, names };
  }
  throw new KeelsonError('NOT_FOUND', `${method} ${pathname.slice(0, 200)}: no such call`);
}

function matchPath(pattern: readonly string[], parts: readonly string[]): string[] | undefined {
  if (pattern.length !== parts.length) return undefined;
  const names: string[] = [];
  for (const [index, part] of parts.entries()) {
    // Names are DNS labels, which need no percent-decoding; anything else is simply not found.
    if (pattern[index] === '*') names.push(part);
    else if (pattern[index] !== part) return undefined;
  }
  return names;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const isTaken = systemCodeOf(cause) === 'EADDRINUSE';
      reject(
        isTaken
          ? new KeelsonError(
              'IN_USE',
              `listen on ${API_HOST}:${port}: the port is in use; is another orchestrator running? ` +
                'Stop it, or choose another port with --api-port',
              { cause },
            )
          : new KeelsonError('IO_FAILED', `listen on ${API_HOST}:${port}: ${messageOf(cause)}`, {
              cause,
            }),
      );
    });
    server.listen(port, API_HOST, resolve);
  });
}
