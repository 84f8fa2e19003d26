import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface FakeContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly created: number;
  state: 'created' | 'running' | 'paused' | 'exited';
  /** By network. */
  readonly addresses: Map<string, string>;
  log: string;
  startedAt: string;
  finishedAt: string;
  exitCode?: number;
  readonly networkMode: string;
  readonly waiters: ((code: number) => void)[];
}

/**
 * Waits as long as it likes. A call is `start ID`, `create NAME`, `remove network NAME` or the like,
 * or `read PATH`.
 */
export type Gate = (call: string) => Promise<void> | void;

interface Call {
  readonly method: string;
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly response: ServerResponse;
}

const NEVER = '0001-01-01T00:00:00Z';

/**
 * A Docker engine that has nothing but a memory: the calls that the platform makes, as the API of
 * Docker 20.10 answers them. Jobs end at once; everything else says `ready` as soon as it runs.
 */
export class FakeEngine {
  readonly directory = mkdtempSync(join(tmpdir(), 'keelson-fake-engine-'));
  readonly socketPath = join(this.directory, 'docker.sock');
  readonly containers = new Map<string, FakeContainer>();
  readonly networks = new Map<string, Readonly<Record<string, string>>>();
  /** Those that change something. */
  readonly calls: string[] = [];
  /** Is asked before a call is carried out. */
  before: Gate = () => undefined;
  /** Is asked when it was, before it is answered: with what is so at this moment. */
  after: Gate = () => undefined;
  /** What is refused, with its status and message. */
  refuse: (call: string) => [number, string] | undefined = () => undefined;
  readonly #streams = new Set<ServerResponse>();
  readonly #logs = new Map<string, Set<ServerResponse>>();
  #server: Server | undefined;
  #lastId = 0;

  async open(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(JSON.stringify({ message: String(error) }));
      });
    });
    this.#server = server;
    await new Promise<void>((done) => server.listen(this.socketPath, done));
  }

  /** Nobody answers any more; what runs goes on. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#streams.clear();
    server?.closeAllConnections();
    await new Promise((done) => (server === undefined ? done(undefined) : server.close(done)));
  }

  async stop(): Promise<void> {
    await this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The streams of events and logs break, and can be opened again. */
  breakStreams(): void {
    for (const stream of [...this.#streams, ...[...this.#logs.values()].flatMap((s) => [...s])]) {
      stream.destroy();
    }
  }

  find(label: string, value: string): FakeContainer[] {
    return [...this.containers.values()].filter(({ labels }) => labels[label] === value);
  }

  running(label: string, value: string): FakeContainer[] {
    return this.find(label, value).filter(({ state }) => state === 'running');
  }

  /** A process ends, for whatever reason. Unless it is silent, the engine tells of it. */
  end(id: string, exitCode = 137, options = { isSilent: false }): void {
    const container = this.containers.get(id);
    if (container === undefined || container.state === 'exited') return;
    container.state = 'exited';
    container.exitCode = exitCode;
    container.finishedAt = new Date().toISOString();
    for (const stream of this.#logs.get(id) ?? []) stream.end();
    for (const waiter of container.waiters.splice(0)) waiter(exitCode);
    if (!options.isSilent) this.#tell('die', container, { exitCode: String(exitCode) });
  }

  /** As docker start, by somebody else. */
  begin(id: string): void {
    const container = this.containers.get(id);
    if (container === undefined || container.state === 'running') return;
    container.state = 'running';
    container.startedAt = new Date().toISOString();
    this.#tell('start', container);
    if (container.labels['io.keelson.role'] === 'job') this.end(id, 0);
    else this.say(id, 'ready 10.0.0.1:3260');
  }

  say(id: string, line: string): void {
    const container = this.containers.get(id);
    if (container === undefined) return;
    container.log += `${line}\n`;
    for (const stream of this.#logs.get(id) ?? []) stream.write(frame(`${line}\n`));
  }

  #tell(Action: string, { id, labels }: FakeContainer, more: Record<string, string> = {}): void {
    const event = {
      Type: 'container',
      Action,
      Actor: { ID: id, Attributes: { ...labels, ...more } },
    };
    for (const stream of this.#streams) stream.write(`${JSON.stringify(event)}\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://engine');
    const parts = url.pathname.split('/').slice(1);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    const { method = '' } = request;
    const name = url.searchParams.get('name') ?? String(body.Name ?? parts[1] ?? '');
    const isRead = method === 'GET' || parts[2] === 'wait';
    const what = method === 'DELETE' ? 'remove' : (parts[2] ?? parts[1] ?? '');
    const change = `${what} ${parts[0] === 'networks' ? 'network ' : ''}${name}`;
    const call = isRead ? `read ${url.pathname}` : change;
    await this.before(call);
    if (!isRead) this.calls.push(call);
    const query = url.searchParams;
    const refusal = this.refuse(call);
    const [status, answer] =
      refusal === undefined
        ? this.#carryOut({ method, parts, query, body, response })
        : [refusal[0], { message: refusal[1] }];
    await this.after(call);
    if (status === 'stream') return;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(answer === undefined ? undefined : JSON.stringify(answer));
  }

  #carryOut(call: Call): ['stream' | number, unknown?] {
    const { parts, response, query } = call;
    if (parts[0] === 'events') {
      response.writeHead(200).flushHeaders();
      this.#streams.add(response);
      response.on('close', () => this.#streams.delete(response));
      return ['stream'];
    }
    if (parts[0] === 'networks') return this.#carryOutNetwork(call);
    if (parts[1] === 'json') return [200, this.#list(query)];
    if (parts[1] === 'create') return this.#create(call);
    const found = [...this.containers.values()].find(
      ({ id, name }) => id === parts[1] || name === parts[1],
    );
    if (found === undefined) return [404, { message: `No such container: ${parts[1]}` }];
    return this.#carryOutContainer(call, found);
  }

  #list(query: URLSearchParams): unknown {
    return [...this.containers.values()]
      .filter(({ labels }) => isAskedFor(labels, query))
      .map(({ id, labels, state, created, addresses, networkMode }) => ({
        ...{ Id: id, Labels: labels, State: state, Created: created },
        HostConfig: { NetworkMode: networkMode },
        NetworkSettings: {
          Networks: Object.fromEntries(
            [...addresses].map(([network, IPAddress]) => [network, { IPAddress }]),
          ),
        },
      }));
  }

  #create({ query, body }: Call): [number, unknown] {
    const name = query.get('name') ?? '';
    const other = [...this.containers.values()].find((container) => container.name === name);
    if (other !== undefined) {
      return [409, { message: `Conflict. The container name "/${name}" is already in use` }];
    }
    this.#lastId += 1;
    const {
      Labels: labels = {},
      NetworkingConfig: network,
      HostConfig,
    } = body as {
      Labels?: Record<string, string>;
      NetworkingConfig?: { EndpointsConfig: Record<string, Endpoint> };
      HostConfig?: { NetworkMode?: string };
    };
    const id = `${labels['io.keelson.role']}${this.#lastId}`.padEnd(64, '-');
    const networkMode = HostConfig?.NetworkMode ?? '';
    const endpoints = Object.entries(network?.EndpointsConfig ?? {});
    const addresses = new Map(endpoints.map(([name, endpoint]) => [name, addressOf(endpoint)]));
    this.containers.set(id, {
      ...{ id, name, labels, state: 'created', log: '', addresses, networkMode },
      ...{ startedAt: NEVER, finishedAt: NEVER },
      ...{ created: this.#lastId, waiters: [] },
    });
    return [201, { Id: id }];
  }

  #carryOutContainer(call: Call, container: FakeContainer): ['stream' | number, unknown?] {
    const { method, parts, response } = call;
    const { id, name, labels, state } = container;
    const { startedAt: StartedAt, finishedAt: FinishedAt } = container;
    if (method === 'DELETE') {
      this.end(id);
      this.containers.delete(id);
      this.#tell('destroy', container);
      return [204];
    }
    switch (parts[2]) {
      case 'start':
        if (state === 'running') return [304];
        if (!this.#hasNetwork(container)) {
          return [409, { message: 'cannot join network of a non running container' }];
        }
        this.begin(id);
        return [204];
      case 'stop':
        if (state !== 'running') return [304];
        this.end(id, 0);
        return [204];
      case 'kill':
        if (state !== 'running') return [409, { message: 'it is not running' }];
        this.end(id);
        return [204];
      case 'json':
        return [
          200,
          {
            ...{ Id: id, Name: name, Config: { Labels: labels } },
            State: { StartedAt, FinishedAt, Running: state === 'running' },
          },
        ];
      case 'wait':
        if (state === 'exited') return [200, { StatusCode: container.exitCode }];
        container.waiters.push((StatusCode) => response.end(JSON.stringify({ StatusCode })));
        return ['stream'];
      default:
        return this.#openLog(call, container);
    }
  }

  #hasNetwork({ networkMode }: FakeContainer): boolean {
    const [kind, of = ''] = networkMode.split(':');
    return kind !== 'container' || this.containers.get(of)?.state === 'running';
  }

  #openLog({ query, response }: Call, { id, log, state }: FakeContainer): ['stream'] {
    response.writeHead(200).flushHeaders();
    if (log !== '') response.write(frame(log));
    if (query.get('follow') !== 'true' || state === 'exited') {
      response.end();
      return ['stream'];
    }
    const streams = this.#logs.get(id) ?? new Set();
    this.#logs.set(id, streams.add(response));
    response.on('close', () => streams.delete(response));
    return ['stream'];
  }

  #changeMembers(
    network: string,
    isConnect: boolean,
    body: Record<string, unknown>,
  ): [number, unknown?] {
    const addresses = this.containers.get(String(body.Container))?.addresses;
    if (addresses?.has(network) === isConnect) return [403, { message: 'it is so already' }];
    if (isConnect) addresses?.set(network, addressOf(body.EndpointConfig as Endpoint));
    else addresses?.delete(network);
    return [200];
  }

  #carryOutNetwork({ method, parts, query, body }: Call): [number, unknown?] {
    const [, name = ''] = parts;
    if (method === 'POST' && name === 'create') {
      const created = String(body.Name);
      if (this.networks.has(created)) return [409, { message: `network ${created} exists` }];
      this.networks.set(created, (body.Labels ?? {}) as Record<string, string>);
      return [201, { Id: created }];
    }
    const found = this.networks.get(name);
    if (name !== '' && found === undefined) return [404, { message: `network ${name} not found` }];
    if (method === 'DELETE') {
      this.networks.delete(name);
      return [204];
    }
    if (method === 'POST') return this.#changeMembers(name, parts[2] === 'connect', body);
    if (name !== '') return [200, { Id: name, Name: name, Labels: found }];
    const all = [...this.networks].filter(([, labels]) => isAskedFor(labels, query));
    return [200, all.map(([Name, Labels]) => ({ Id: Name, Name, Labels }))];
  }
}

interface Endpoint {
  readonly IPAMConfig: { readonly IPv4Address: string };
}

function addressOf({ IPAMConfig }: Endpoint): string {
  return IPAMConfig.IPv4Address;
}

function isAskedFor(labels: Readonly<Record<string, string>>, query: URLSearchParams): boolean {
  const { label = [] } = JSON.parse(query.get('filters') ?? '{}') as { label?: string[] };
  return label.every((wanted) => {
    const [name = '', value] = wanted.split('=');
    return labels[name] === value;
  });
}

/** Standard output, as the engine multiplexes it: 8 bytes of header, the last 4 the length. */
function frame(text: string): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}
