import type { Socket } from 'node:net';
import { receiveInPlace } from '../../replica/common/receiving-socket.ts';
import { PduFramer, type PduMemory } from '../iscsi/framer.ts';
import { MAX_RECV_DATA_SEGMENT_BYTES } from '../iscsi/limits.ts';
import type { ConnectionId, Pdu } from '../iscsi/step.ts';

export interface ConnectionHandlers {
  onPdus(connection: InitiatorConnection, pdus: readonly Pdu[]): void;
  onClosed(connection: InitiatorConnection): void;
  onRejected(connection: InitiatorConnection, reason: string): void;
}

/** An initiator that does not read its answers gets no further commands carried out. */
const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
/** Answers up to this are put side by side into one buffer; longer ones go out from where they are. */
const MAX_GATHERED_BYTES = 16 * 1024;

/** One TCP connection of an initiator: bytes in to PDUs, PDUs out to bytes, once a turn. */
export class InitiatorConnection {
  readonly id: ConnectionId;
  readonly peer: string;
  readonly #socket: Socket;
  readonly #framer: PduFramer;
  readonly #handlers: ConnectionHandlers;
  #parts: Buffer[] = [];
  #isPaused = false;

  /** @param accepted as the server took it, paused */
  constructor(id: ConnectionId, accepted: Socket, memory: PduMemory, handlers: ConnectionHandlers) {
    this.#framer = new PduFramer(MAX_RECV_DATA_SEGMENT_BYTES, memory);
    this.id = id;
    this.peer = `${accepted.remoteAddress}:${accepted.remotePort}`;
    const socket = receiveInPlace(accepted, (chunk) => this.#onData(chunk));
    this.#socket = socket;
    this.#handlers = handlers;
    socket.on('drain', () => this.#setPaused(false));
    socket.on('error', () => undefined); // 'close' follows and is what counts
    socket.on('close', () => handlers.onClosed(this));
    socket.resume();
  }

  /** Adds a PDU to what leaves at the end of this turn. */
  append(header: Buffer, data: Buffer | undefined): void {
    this.#parts.push(header);
    if (data === undefined || data.length === 0) return;
    this.#parts.push(data);
    const padding = -data.length & 3;
    if (padding > 0) this.#parts.push(PADDING.subarray(0, padding));
  }

  flush(): void {
    if (this.#parts.length === 0) return;
    const parts = this.#parts;
    this.#parts = [];
    this.#socket.cork();
    for (const buffer of gather(parts)) this.#socket.write(buffer);
    this.#socket.uncork();
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) this.#setPaused(true);
  }

  /** Stops taking commands while the copies cannot keep up. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#socket.pause();
    else if (!this.#isPaused) this.#socket.resume();
  }

  /** Sends what is left, then closes. */
  end(): void {
    this.flush();
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  #onData(chunk: Buffer): void {
    const pdus: Pdu[] = [];
    const reason = this.#framer.push(chunk, pdus);
    this.#handlers.onPdus(this, pdus);
    if (reason !== undefined) this.#handlers.onRejected(this, reason);
  }
}

const PADDING = Buffer.alloc(4);

/** Joins runs of small parts, so that a turn's answers take few system calls and few iovecs. */
function gather(parts: readonly Buffer[]): Buffer[] {
  const gathered: Buffer[] = [];
  let run: Buffer[] = [];
  const endRun = (): void => {
    if (run.length === 1) gathered.push(run[0]!);
    else if (run.length > 1) gathered.push(Buffer.concat(run));
    run = [];
  };
  for (const part of parts) {
    if (part.length <= MAX_GATHERED_BYTES) {
      run.push(part);
    } else {
      endRun();
      gathered.push(part);
    }
  }
  endRun();
  return gathered;
}
