import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { assert } from '../../replica/common/assert.ts';
import { KeelsonError, messageOf, systemCodeOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Installation } from '../installation/installation.ts';
import type { Endpoint } from '../model/address-plan.ts';
import type { RegistryDoors } from '../platforms/platform-kind.ts';
import { type AccessRules, checkAccess } from './access.ts';
import { sendError } from './http.ts';
import { Query, type Route } from './route.ts';
import { ROUTES } from './routes.ts';

/** Where the API listens, and for whom. */
export interface ApiOptions extends AccessRules {
  /** An IP address of this machine. */
  readonly host: string;
  readonly port: number;
}

/** Only for taking the path of a request apart. */
const BASE_URL = 'http://127.0.0.1';

export interface ApiServer extends RegistryDoors {
  /**
   * From here on controllers are answered, and everybody else once the installation was started;
   * until then they are told to come back.
   */
  serve(installation: Installation): void;
  close(): Promise<void>;
}

/**
 * Takes the port first, so that a second orchestrator is refused before anything is started; the
 * platform needs the address for the controllers anyway.
 *
 * Errors: IN_USE; IO_FAILED.
 */
export async function listenApi(options: ApiOptions, log: Log): Promise<ApiServer> {
  let installation: Installation | undefined;
  const makeServer = (isDoor: boolean) =>
    createServer((request, response) => {
      const call = { installation, rules: options, isDoor, request, response };
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
    serve: (ready) => {
      installation = ready;
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
  readonly installation: Installation | undefined;
  readonly rules: AccessRules;
  /** It came in where only the registry is served. */
  readonly isDoor: boolean;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer({ installation, rules, isDoor, request, response }: Call): Promise<void> {
  const url = URL.parse(request.url ?? '', BASE_URL);
  const found = url === null ? undefined : findRoute(request.method ?? '', url.pathname);
  // Before anything else is said: what there is is nobody's business who may not call it.
  checkAccess(request, found?.route.access ?? 'token', rules);
  if (url === null) throw new KeelsonError('INVALID_ARGUMENT', 'path: expected a valid one');
  if (found === undefined) {
    const call = `${request.method} ${url.pathname.slice(0, 200)}`;
    throw new KeelsonError('NOT_FOUND', `${call}: no such call`);
  }
  const { route, names } = found;
  if (isDoor && route.access !== 'volume-secret') {
    throw new KeelsonError('NOT_FOUND', 'here is the registry for controllers and nothing else');
  }
  // Controllers that an earlier orchestrator started ask for the registry meanwhile.
  const isServed = installation?.isStarted === true || route.access === 'volume-secret';
  if (installation === undefined || !isServed) {
    throw new KeelsonError('UNAVAILABLE', 'the orchestrator starts');
  }
  const query = new Query(url.searchParams, route.query);
  await route.handle({ installation, request, response, query, names });
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
