import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface SeenRequest {
  /** `POST /v1/volumes`. */
  readonly call: string;
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  /** Of the caller: each connection has another. */
  readonly port: number | undefined;
}

/** What a call is answered with; a function is asked anew each time. */
export type Answer = unknown | (() => unknown);

/** An orchestrator's API that remembers what it was asked and answers what the test wants. */
export class FakeApi {
  readonly seen: SeenRequest[] = [];
  /** By `METHOD /path?query`. Anything else is answered as the API does: no such call. */
  answers: Record<string, Answer> = {};
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const call = `${request.method} ${request.url}`;
      const body = await text(request);
      const { headers, socket } = request;
      const { remotePort: port } = socket;
      this.seen.push({ call, body: body === '' ? undefined : JSON.parse(body), headers, port });
      const found = this.answers[call];
      const answer = typeof found === 'function' ? found() : found;
      if (answer instanceof Refusal || answer === undefined) {
        const { status, code, message } =
          answer ?? new Refusal('NOT_FOUND', `${call}: no such call`);
        response.writeHead(status).end(JSON.stringify({ error: { code, message } }));
        return;
      }
      if (answer instanceof Raw) {
        response.writeHead(200).write(answer.text);
        if (answer.isWhole) response.end();
        return;
      }
      response.writeHead(200).end(JSON.stringify(answer));
    });
  }

  static async start(): Promise<FakeApi> {
    const api = new FakeApi();
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  get environment(): Record<string, string> {
    return { KEELSON_API: this.url };
  }

  /** What happens when the orchestrator ends. */
  cutConnections(): void {
    this.#server.closeAllConnections();
  }

  /** What was asked since the last time. */
  take(): SeenRequest[] {
    return this.seen.splice(0);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What is no JSON. */
export class Raw {
  readonly text: string;
  /** Otherwise more may come: the answer stays open. */
  readonly isWhole: boolean;

  constructor(text: string, { isWhole } = { isWhole: true }) {
    this.text = text;
    this.isWhole = isWhole;
  }
}

export class Refusal {
  readonly code: string;
  readonly message: string;
  readonly status: number;

  constructor(code: string, message: string, status = 404) {
    this.code = code;
    this.message = message;
    this.status = status;
  }
}
