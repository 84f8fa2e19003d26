import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

/** What becomes of a call: it is carried out and answered, or never reaches the engine. */
export type Fate = 'pass' | 'drop';

/** Told of every call that changes something on the engine, before it gets there. */
export type OnChange = (call: string) => Fate;

/** Calls that change nothing, however they are made. */
const HARMLESS = /\/(wait|logs)\b/;

/** A way to an engine on which every call is seen, and may be the last one. */
export class EngineTap {
  readonly socketPath: string;
  onChange: OnChange = () => 'pass';
  readonly #engineSocket: string;
  readonly #server = createServer((from, to) => this.#pass(from, to));

  private constructor(socketPath: string, engineSocket: string) {
    this.socketPath = socketPath;
    this.#engineSocket = engineSocket;
  }

  static async open(socketPath: string, engineSocket: string): Promise<EngineTap> {
    rmSync(socketPath, { force: true });
    const tap = new EngineTap(socketPath, engineSocket);
    await new Promise<void>((done, fail) => {
      tap.#server.once('error', fail);
      tap.#server.listen(socketPath, done);
    });
    return tap;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #pass(from: IncomingMessage, to: ServerResponse): void {
    const { method = '', url: path = '', headers } = from;
    if (method !== 'GET' && !HARMLESS.test(path) && this.onChange(`${method} ${path}`) === 'drop') {
      from.socket.destroy();
      return;
    }
    const call = request({ socketPath: this.#engineSocket, method, path, headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 500, answer.headers).flushHeaders();
      answer.pipe(to);
      answer.on('error', () => to.destroy());
    });
    call.on('error', () => to.destroy());
    to.on('close', () => {
      // Streams of events and logs are given up; what changes something goes on without its caller.
      if (method === 'GET') call.destroy();
    });
    from.pipe(call);
  }
}
