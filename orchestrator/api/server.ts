import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { assert } from '../../replica/common/assert.ts';
import { KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import type { Endpoint } from '../model/address-plan.ts';
import type { Leadership, RegistryDoors } from '../platforms/platform-kind.ts';
import { type ApiToken, checkAccess, checkOrigin } from './access.ts';
import { sendError } from './http.ts';
import { Query, type Route } from './route.ts';
import { ROUTES } from './routes.ts';

/** Where the API listens, and for whom. */
export interface ApiOptions {
  /** An IP address of this machine. */
  readonly host: string;
  readonly port: number;
  /** Else calls from the same machine need no token. */
  readonly isTokenRequired: boolean;
}

/** What the API serves. */
export interface Served {
  readonly installation: Installation;
  readonly token: ApiToken;
  /** Where other orchestrators serve the same registry. */
  readonly leadership?: Leadership | undefined;
}

/** Only for taking the path of a request apart. */
const BASE_URL = 'http://127.0.0.1';

export interface ApiServer extends RegistryDoors {
  /**
   * From here on controllers are answered, and everybody else once the installation was started;
   * until then they are told to come back, or who leads.
   */
  serve(served: Served): void;
  close(): Promise<void>;
}

/**
 * Takes the port first, so that a second orchestrator is refused before anything is started; the
 * platform needs the address for the controllers anyway.
 *
 * Errors: IN_USE; IO_FAILED.
 */
export async function listenApi(options: ApiOptions, log: Log): Promise<ApiServer> {
  let served: Served | undefined;
  const makeServer = (isDoor: boolean) =>
    createServer((request, response) => {
      const call = { served, options, isDoor, request, response };
      answer(call).catch((error: unknown) => {
        if (!(error instanceof KeelsonError)) {
          log.error('request failed', { path: request.url, error: String(error) });
        }
        sendError(response, error);
      });
    });
  const server = makeServer(false);
  await listen(server, options);
  const address = server.address() as AddressInfo | null;
  assert(address !== null, 'a listening server has an address');
  const { port } = address;
  const doors = new Map<string, Server>();
  return {
    url: `http://${reachableHost(options.host)}:${port}`,
    port,
    serve: (what) => {
      served = what;
    },
    openDoor: async (host) => {
      // What listens everywhere listens there, too.
      if (doors.has(host) || isEverywhere(options.host) || host === options.host) return;
      const door = makeServer(true);
      doors.set(host, door);
      await listen(door, { host, port }).catch((error: unknown) => {
        doors.delete(host);
        throw error;
      });
    },
    closeDoor: (host) => {
      doors.get(host)?.close();
      doors.get(host)?.closeAllConnections();
      doors.delete(host);
    },
    close: async () => {
      await Promise.all([server, ...doors.values()].map(closeServer));
    },
  };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections(); // event streams would never end by themselves
  });
}

interface Call {
  readonly served: Served | undefined;
  readonly options: ApiOptions;
  /** It came in where only the registry is served. */
  readonly isDoor: boolean;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer(call: Call): Promise<void> {
  const { served, isDoor, request, response } = call;
  const url = URL.parse(request.url ?? '', BASE_URL);
  const found = url === null ? undefined : findRoute(request.method ?? '', url.pathname);
  if (url !== null && found?.route.access === 'open' && !isDoor) {
    checkOrigin(request);
    new Query(url.searchParams, found.route.query); // refuses what is not known
    found.route.handle({ isServed: isReady(served), response });
    return;
  }
  const ready = requireServed(served);
  const { installation, token } = ready;
  // Before anything else is said: what there is is nobody's business who may not call it.
  const { isTokenRequired } = call.options;
  checkAccess(request, found?.route.access ?? 'token', { token, isTokenRequired });
  if (url === null) throw new KeelsonError('INVALID_ARGUMENT', 'path: expected a valid one');
  if (found === undefined) {
    const called = `${request.method} ${url.pathname.slice(0, 200)}`;
    throw new KeelsonError('NOT_FOUND', `${called}: no such call`);
  }
  const { route, names } = found;
  if (route.access === 'open' || (isDoor && route.access !== 'volume-secret')) {
    throw new KeelsonError('NOT_FOUND', 'here is the registry for controllers and nothing else');
  }
  // Controllers that an earlier orchestrator started ask for the registry meanwhile.
  if (route.access !== 'volume-secret') requireStarted(ready);
  const query = new Query(url.searchParams, route.query);
  await route.handle({ installation, request, response, query, names });
}

/** Where others serve the same registry, this one is of use before it leads. */
function isReady(served: Served | undefined): boolean {
  return served !== undefined && (served.installation.isStarted || served.leadership !== undefined);
}

function requireServed(served: Served | undefined): Served {
  if (served !== undefined) return served;
  throw new KeelsonError('UNAVAILABLE', 'the orchestrator starts');
}

function requireStarted({ installation, leadership }: Served): void {
  if (installation.isStarted) return;
  const leader = leadership?.isGained === true ? undefined : leadership?.leader;
  throw new KeelsonError(
    'UNAVAILABLE',
    leader === undefined ? 'the orchestrator starts' : `here is not who leads: ask ${leader}`,
  );
}

function findRoute(method: string, pathname: string): FoundRoute | undefined {
  const parts = pathname.split('/');
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const names = matchPath(route.path.split('/'), parts);
    if (names !== undefined) return { route, names };
  }
  return undefined;
}

interface FoundRoute {
  readonly route: Route;
  readonly names: string[];
}

function matchPath(pattern: readonly string[], parts: readonly string[]): string[] | undefined {
  if (pattern.length !== parts.length) return undefined;
  const names: string[] = [];
  for (const [index, part] of parts.entries()) {
    // Names are DNS labels, which need no percent-decoding; anything else is simply not found.
    if (pattern[index]?.startsWith('{')) names.push(part);
    else if (pattern[index] !== part) return undefined;
  }
  return names;
}

function listen(server: Server, { host, port }: Endpoint): Promise<void> {
  const endpoint = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const isTaken = systemCodeOf(cause) === 'EADDRINUSE';
      reject(
        isTaken
          ? new KeelsonError(
              'IN_USE',
              `listen on ${endpoint}: the port is in use; is another orchestrator running? ` +
                'Stop it, or choose another port with --api-port',
              { cause },
            )
          : new KeelsonError('IO_FAILED', `listen on ${endpoint}: ${messageOf(cause)}`, { cause }),
      );
    });
    server.listen(port, host, resolve);
  });
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Where programs of this machine reach what listens on `host`, in a URL. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIP(host) === 6 ? `[${host}]` : host;
}
