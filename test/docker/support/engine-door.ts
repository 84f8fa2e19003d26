import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * One node's own way to an engine that several nodes share. While it is shut, the engine is away as
 * far as that node is concerned, and only there.
 */
export class EngineDoor {
  readonly socketPath: string;
  readonly #engineSocket: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  private constructor(socketPath: string, engineSocket: string) {
    this.socketPath = socketPath;
    this.#engineSocket = engineSocket;
  }

  static async open(socketPath: string, engineSocket: string): Promise<EngineDoor> {
    const door = new EngineDoor(socketPath, engineSocket);
    await door.open();
    return door;
  }

  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    rmSync(this.socketPath, { force: true });
    const server = createServer((socket) => this.#pass(socket));
    this.#server = server;
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(this.socketPath, done);
    });
  }

  /** Cuts what is under way; who calls next finds no socket. */
  shut(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass(near: Socket): void {
    const far = connect(this.#engineSocket);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
