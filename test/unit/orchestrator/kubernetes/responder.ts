import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Access } from '../../../../orchestrator/kubernetes/access.ts';

export interface AskedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly type: string | undefined;
  readonly body: unknown;
}

export type Reply =
  | { readonly status: number; readonly body: object | string; readonly retryAfter?: string }
  | 'nothing'
  | 'a beginning'
  | 'reset';

/** An HTTP server that answers as a test says, and remembers what it was asked. */
export class Responder {
  readonly asked: AskedRequest[] = [];
  readonly authorizations: (string | undefined)[] = [];
  answer: (asked: AskedRequest) => Reply = () => 'nothing';
  connectionCount = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => void this.#take(request, response));
    server.on('connection', () => {
      this.connectionCount += 1;
    });
  }

  static async start(): Promise<Responder> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new Responder(server);
  }

  access(headers: Readonly<Record<string, string>> = {}): Access {
    const { port } = this.#server.address() as AddressInfo;
    const credentials = async () => ({ headers, tls: {} });
    return { server: `http://127.0.0.1:${port}`, credentials };
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const isClosed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await isClosed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (await request.toArray()).join('');
    const asked = {
      ...{ method: request.method ?? '', path: request.url ?? '' },
      type: request.headers['content-type'],
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
    this.asked.push(asked);
    this.authorizations.push(request.headers.authorization);
    const reply = this.answer(asked);
    if (reply === 'reset') request.socket.resetAndDestroy();
    else if (reply === 'a beginning') response.writeHead(200).write('{"meta');
    else if (reply !== 'nothing') {
      const { status, body, retryAfter } = reply;
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    }
  }
}
