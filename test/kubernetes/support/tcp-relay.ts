import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a server, and can cut all that goes through it. */
export class TcpRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;

  private constructor(server: Server, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    server.on('connection', (near) => {
      if (!this.#isOpen) {
        near.destroy();
        return;
      }
      const far = connect(target.port, target.host);
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<TcpRelay> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new TcpRelay(server, target);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the relay has no port');
    return address.port;
  }

  /** Ends what goes through it; what comes later is let through, if it is open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#isOpen = false;
    this.cut();
  }

  open(): void {
    this.#isOpen = true;
  }

  async stop(): Promise<void> {
    const isClosed = new Promise((done) => this.#server.close(done));
    this.close();
    await isClosed;
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}
