import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Access } from '../../../../orchestrator/kubernetes/access.ts';
import type { ConfigMap } from '../../../../orchestrator/kubernetes/objects.ts';

export const NAMESPACE = 'demo';
const COLLECTION = `/api/v1/namespaces/${NAMESPACE}/configmaps`;

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

interface Past {
  readonly version: number;
  readonly type: EventType;
  readonly object: ConfigMap;
}

interface Refusal {
  readonly status: number;
  readonly body: object | string;
}

/**
 * An API server with ConfigMaps in one namespace, over HTTP: what a test puts into it is listed page
 * by page and told to watches, which the test ends in all the ways there are.
 */
export class PlayedServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #objects = new Map<string, ConfigMap>();
  readonly #watches = new Map<ServerResponse, number>();
  #past: Past[] = [];
  #version = 100;
  #forgottenVersion = 0;
  #uids = 0;
  /** Path and query of each request, as they came. */
  readonly requests: URL[] = [];
  /** Answers to requests, before anything else is looked at; undefined lets it through. */
  refuse: (asked: URL) => Refusal | undefined = () => undefined;
  /** Awaited before a list is answered, but after it was put together. */
  beforeListAnswer: () => Promise<void> = async () => undefined;
  pageObjects = 500;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<PlayedServer> {
    const played = new PlayedServer(createServer());
    await played.listen(0);
    return played;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(port, '127.0.0.1', done));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get access(): Access {
    const server = `http://127.0.0.1:${this.port}`;
    return { server, credentials: async () => ({ headers: {}, tls: {} }) };
  }

  /** Nobody answers any more. */
  async stop(): Promise<void> {
    const isClosed = new Promise((done) => this.#server.close(done));
    for (const socket of this.#sockets) socket.destroy();
    await isClosed;
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  /** Lists and watches so far. */
  count(kind: 'list' | 'watch'): number {
    return this.requests.filter((asked) => asked.searchParams.has('watch') === (kind === 'watch'))
      .length;
  }

  put(name: string, value: string): ConfigMap {
    const before = this.#objects.get(name);
    this.#version += 1;
    this.#uids += before === undefined ? 1 : 0;
    const metadata = {
      ...{ namespace: NAMESPACE, name },
      uid: before?.metadata.uid ?? `uid-${this.#uids}`,
      resourceVersion: `${this.#version}`,
    };
    const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { value } };
    this.#objects.set(name, object);
    this.#record(before === undefined ? 'ADDED' : 'MODIFIED', object);
    return object;
  }

  remove(name: string): void {
    const before = this.#objects.get(name);
    if (before === undefined) throw new Error(`${name}: there is none`);
    this.#version += 1;
    this.#objects.delete(name);
    const metadata = { ...before.metadata, resourceVersion: `${this.#version}` };
    this.#record('DELETED', { ...before, metadata });
  }

  /** Something of another kind has changed. */
  passTime(): void {
    this.#version += 10;
  }

  bookmark(version = this.#version): void {
    const object = {
      ...{ kind: 'ConfigMap', apiVersion: 'v1' },
      metadata: { resourceVersion: `${version}` },
    };
    this.tellAll({ type: 'BOOKMARK', object });
  }

  tellAll(event: object): void {
    for (const watch of this.#watches.keys()) watch.write(`${JSON.stringify(event)}\n`);
  }

  /** As it does after some minutes. */
  endWatches(): void {
    for (const watch of this.#watches.keys()) watch.end();
    this.#watches.clear();
  }

  /** After a part of a line, and without a proper end. */
  cutWatches(): void {
    for (const watch of this.#watches.keys()) {
      watch.write('{"type":"ADDED","object":{"kind":"Config', () => watch.socket?.destroy());
    }
    this.#watches.clear();
  }

  /** What has happened until now cannot be watched any more. */
  forget(): void {
    this.#past = [];
    this.#forgottenVersion = this.#version;
  }

  /** As a restored backup does. */
  putBackTo(version: number): void {
    this.#version = version;
    this.#past = [];
    this.#objects.clear();
  }

  #record(type: EventType, object: ConfigMap): void {
    this.#past.push({ version: this.#version, type, object });
    for (const watch of this.#watches.keys()) {
      watch.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = new URL(request.url ?? '/', 'http://server');
    this.requests.push(asked);
    const refusal = this.refuse(asked);
    if (refusal !== undefined) return send(response, refusal.status, refusal.body);
    if (asked.pathname !== COLLECTION) return send(response, 404, '404 page not found\n');
    if (asked.searchParams.has('watch')) this.#watch(asked, response);
    else await this.#list(asked, response);
  }

  async #list(asked: URL, response: ServerResponse): Promise<void> {
    const start = Number(asked.searchParams.get('continue') ?? '0');
    const all = [...this.#objects.values()];
    const end = start + Math.min(this.pageObjects, Number(asked.searchParams.get('limit')));
    const metadata = {
      resourceVersion: `${this.#version}`,
      ...(end < all.length ? { continue: `${end}` } : {}),
    };
    // As the server does it: those of a list do not say what they are.
    const items = all.slice(start, end).map(({ metadata: own, data }) => ({ metadata: own, data }));
    const answer = { kind: 'ConfigMapList', apiVersion: 'v1', metadata, items };
    await this.beforeListAnswer();
    send(response, 200, answer);
  }

  #watch(asked: URL, response: ServerResponse): void {
    const version = Number(asked.searchParams.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (version < this.#forgottenVersion) {
      const object = status(410, 'Expired', 'too old resource version');
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    for (const past of this.#past) {
      const { type, object } = past;
      if (past.version > version) response.write(`${JSON.stringify({ type, object })}\n`);
    }
    this.#watches.set(response, version);
    response.on('close', () => this.#watches.delete(response));
  }
}

export function status(code: number, reason: string, message: string, details?: object): object {
  const about = details === undefined ? {} : { details };
  return {
    ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' },
    ...{ message, reason, code, ...about },
  };
}

function send(response: ServerResponse, code: number, body: object | string): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(text);
}
