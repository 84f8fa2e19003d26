import type { Socket } from 'node:net';
import { receiveInPlace } from '../../replica/common/receiving-socket.ts';
import { isWholeRead } from '../iscsi/bhs.ts';
import { PduFramer } from '../iscsi/framer.ts';
import { MAX_RECV_DATA_SEGMENT_BYTES } from '../iscsi/limits.ts';
import type { ConnectionId, Pdu } from '../iscsi/step.ts';
import type { SlabPool } from './slab-pool.ts';

export interface ConnectionHandlers {
  onPdus(connection: InitiatorConnection, pdus: readonly Pdu[]): void;
  onClosed(connection: InitiatorConnection): void;
  onRejected(connection: InitiatorConnection, reason: string): void;
}

/** An initiator that does not read its answers gets no further commands carried out. */
const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
/** Answers up to this are put side by side into one buffer; longer ones go out from where they are. */
const MAX_GATHERED_BYTES = 16 * 1024;
const OUT_BYTES = 256 * 1024;

/** One TCP connection of an initiator: bytes in to PDUs, PDUs out to bytes, once a turn. */
export class InitiatorConnection {
  readonly id: ConnectionId;
  readonly peer: string;
  readonly #socket: Socket;
  readonly #framer: PduFramer;
  readonly #handlers: ConnectionHandlers;
  readonly #memory: SlabPool;
  #parts: Buffer[] = [];
  /** Data of reads among the parts, each all that was allocated for its read. */
  #read: Buffer[] = [];
  #out = EMPTY;
  #outUsed = 0;
  #isPaused = false;

  /** @param accepted as the server took it, paused */
  constructor(id: ConnectionId, accepted: Socket, memory: SlabPool, handlers: ConnectionHandlers) {
    this.#memory = memory;
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
    if (isWholeRead(header)) this.#read.push(data);
    const padding = -data.length & 3;
    if (padding > 0) this.#parts.push(PADDING.subarray(0, padding));
  }

  flush(): void {
    if (this.#parts.length === 0) return;
    const parts = this.#parts;
    this.#parts = [];
    this.#socket.cork();
    this.#write(parts);
    this.#socket.uncork();
    this.#afterWrite();
  }

  /** Puts runs of short parts side by side, so that a turn's answers are few buffers. */
  #write(parts: readonly Buffer[]): void {
    let start = this.#outUsed;
    const endRun = (): void => {
      if (this.#outUsed > start) this.#socket.write(this.#out.subarray(start, this.#outUsed));
      start = this.#outUsed;
    };
    for (const part of parts) {
      if (part.length > MAX_GATHERED_BYTES) {
        endRun();
        this.#socket.write(part);
        continue;
      }
      if (this.#outUsed + part.length > this.#out.length) {
        endRun();
        this.#out = Buffer.allocUnsafeSlow(OUT_BYTES);
        this.#outUsed = start = 0;
      }
      this.#outUsed += part.copy(this.#out, this.#outUsed);
    }
    endRun();
  }

  /** What has left this process wholly can be used again; what has not belongs to the socket. */
  #afterWrite(): void {
    const isSent = this.#socket.writableLength === 0;
    for (const data of this.#read) {
      if (isSent || data.length <= MAX_GATHERED_BYTES) this.#memory.giveBack(data);
    }
    this.#read = [];
    if (!isSent) this.#out = EMPTY;
    this.#outUsed = 0;
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
const EMPTY = Buffer.alloc(0);
