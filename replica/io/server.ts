import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { explainListen } from '../common/listen.ts';
import type { Log } from '../common/log.ts';
import { NONCE_BYTES } from '../protocol/hello.ts';
import { Connection } from './connection.ts';
import type { ReplicaDriver } from './driver.ts';
import type { Counters } from './metrics.ts';

/** A handshake is one round trip. */
const HANDSHAKE_TIMEOUT_MS = 5_000;
const MAX_STRANGERS = 16;
/** How long a peer may take to read its last replies when the process ends. */
const CLOSE_TIMEOUT_MS = 1_000;

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly secret: Buffer;
  readonly driver: ReplicaDriver;
  readonly counters: Counters;
  readonly log: Log;
}

/** Serves the replication protocol. */
export class ReplicaServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #sockets = new Map<Socket, Connection>();
  /** Connections that have not shown yet that they hold the secret. */
  readonly #strangers = new Set<Connection>();
  #lastId = 0;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#onConnection(socket),
    );
  }

  /**
   * Returns the port.
   *
   * Errors: IN_USE, or IO_FAILED when the address cannot be listened on.
   */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(explainListen(error, host, port)));
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more connections, sends what is to be sent, and closes all. */
  async close(): Promise<void> {
    this.#server.close();
    const closed = [...this.#sockets.keys()].map((socket) => once(socket, 'close'));
    for (const connection of this.#sockets.values()) connection.end();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets.keys()) socket.destroy();
    }, CLOSE_TIMEOUT_MS);
    await Promise.all(closed);
    clearTimeout(timer);
  }

  #onConnection(accepted: Socket): void {
    if (this.#strangers.size >= MAX_STRANGERS) {
      accepted.on('error', () => accepted.destroy());
      this.#countRejected('too many unauthenticated connections');
      accepted.destroy();
      return;
    }
    this.#lastId += 1;
    const { driver, secret, counters, log } = this.#options;
    const connection = new Connection(
      this.#lastId,
      randomBytes(NONCE_BYTES).toString('hex'),
      accepted,
      {
        ...{ driver, secret, counters, log },
        onAuthenticated: (authenticated) => this.#strangers.delete(authenticated),
        onRejected: (reason) => this.#countRejected(reason),
      },
    );
    const timer = setTimeout(() => {
      if (this.#strangers.has(connection)) connection.reject('no hello in time');
    }, HANDSHAKE_TIMEOUT_MS);
    const { socket } = connection;
    this.#sockets.set(socket, connection);
    this.#strangers.add(connection);
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      this.#strangers.delete(connection);
    });
  }

  /** Counted always, logged once: a port scanner must not fill the log. */
  #countRejected(reason: string): void {
    const { counters, log } = this.#options;
    if (counters.rejectedConnections === 0) log.warn('connection rejected', { reason });
    counters.rejectedConnections += 1;
  }
}
