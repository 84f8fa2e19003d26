import type { Socket } from 'node:net';
import { receiveInPlace } from '../../replica/common/receiving-socket.ts';
import { BHS_BYTES, isWholeRead, padded } from '../iscsi/bhs.ts';
import { DIGEST_BYTES, type Digests, NO_DIGESTS, writeDigest } from '../iscsi/digest.ts';
import { PduFramer } from '../iscsi/framer.ts';
import { MAX_LOGIN_SEGMENT_BYTES, MAX_RECV_DATA_SEGMENT_BYTES } from '../iscsi/limits.ts';
import type { ConnectionId, Pdu } from '../iscsi/step.ts';
import type { SlabPool } from './slab-pool.ts';

export interface ConnectionHandlers {
  onPdus(connection: InitiatorConnection, pdus: readonly Pdu[]): void;
  /** Whether more than enough of what it was sent waits in its socket. */
  onCongestion(connection: InitiatorConnection, isCongested: boolean): void;
  onClosed(connection: InitiatorConnection): void;
  onRejected(connection: InitiatorConnection, reason: string): void;
}

/** An initiator that does not read its answers gets no further commands carried out. */
const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
/** Answers up to this are put side by side into one buffer; longer ones go out from where they are. */
const MAX_GATHERED_BYTES = 16 * 1024;
/** A peer that does not read must not keep a socket that was closed. */
const END_GRACE_MS = 5_000;
const OUT_BYTES = 256 * 1024;

/** One TCP connection of an initiator: bytes in to PDUs, PDUs out to bytes, once a turn. */
export class InitiatorConnection {
  readonly id: ConnectionId;
  readonly peer: string;
  readonly #socket: Socket;
  readonly #framer: PduFramer;
  readonly #handlers: ConnectionHandlers;
  readonly #memory: SlabPool;
  /** What leaves at the end of this turn: a header and its data, by turns. */
  #pdus: (Buffer | undefined)[] = [];
  /** Data of reads among them, each all that was allocated for its read. */
  #read: Buffer[] = [];
  #digests = NO_DIGESTS;
  #out = EMPTY;
  #outUsed = 0;
  /** Of `#out`: what lies before it was given to the socket. */
  #outStart = 0;
  /** Its answers are not read. */
  #isCongested = false;
  /** The copies cannot keep up. */
  #isHeld = false;
  #lastMoment: NodeJS.Timeout | undefined;

  /** @param accepted as the server took it, paused */
  constructor(id: ConnectionId, accepted: Socket, memory: SlabPool, handlers: ConnectionHandlers) {
    this.#memory = memory;
    this.#framer = new PduFramer(MAX_LOGIN_SEGMENT_BYTES);
    this.id = id;
    this.peer = `${accepted.remoteAddress}:${accepted.remotePort}`;
    const socket = receiveInPlace(accepted, (chunk) => this.#onData(chunk));
    this.#socket = socket;
    this.#handlers = handlers;
    socket.on('drain', () => this.#setCongested(false));
    socket.on('error', () => undefined); // 'close' follows and is what counts
    socket.on('close', () => {
      clearTimeout(this.#lastMoment);
      handlers.onClosed(this);
    });
    socket.resume();
  }

  /** The login is over. Its answer, appended before, goes out as the login phase has it. */
  enterFullFeature(digests: Digests): void {
    this.flush();
    this.#digests = digests;
    const reason = this.#framer.enterFullFeature({
      maxDataBytes: MAX_RECV_DATA_SEGMENT_BYTES,
      digests,
      memory: this.#memory,
    });
    if (reason !== undefined) this.#handlers.onRejected(this, reason);
  }

  /** Adds a PDU to what leaves at the end of this turn. */
  append(header: Buffer, data: Buffer | undefined): void {
    this.#pdus.push(header, data);
    if (data !== undefined && data.length > 0 && isWholeRead(header)) this.#read.push(data);
  }

  flush(): void {
    if (this.#pdus.length === 0) return;
    const pdus = this.#pdus;
    this.#pdus = [];
    this.#socket.cork();
    for (let index = 0; index < pdus.length; index += 2) {
      this.#write(pdus[index] as Buffer, pdus[index + 1]);
    }
    this.#endRun();
    this.#socket.uncork();
    this.#afterWrite();
  }

  /** Puts runs of short PDUs side by side, so that a turn's answers are few buffers. */
  #write(header: Buffer, data: Buffer | undefined): void {
    const dataBytes = data?.length ?? 0;
    const isGathered = dataBytes <= MAX_GATHERED_BYTES;
    this.#makeRoom(BHS_BYTES + DIGEST_BYTES + (isGathered ? dataBytes : 0) + MAX_TAIL_BYTES);
    this.#outUsed += header.copy(this.#out, this.#outUsed);
    if (this.#digests.header) this.#digest(header);
    if (data === undefined || dataBytes === 0) return;
    const paddingBytes = padded(dataBytes) - dataBytes;
    if (isGathered) {
      this.#outUsed += data.copy(this.#out, this.#outUsed);
    } else {
      this.#endRun();
      this.#socket.write(data);
    }
    this.#out.fill(0, this.#outUsed, this.#outUsed + paddingBytes);
    this.#outUsed += paddingBytes;
    if (!this.#digests.data) return;
    this.#digest(data, paddingBytes);
  }

  #digest(covered: Buffer, paddingBytes = 0): void {
    writeDigest(this.#out, this.#outUsed, covered, paddingBytes);
    this.#outUsed += DIGEST_BYTES;
  }

  #makeRoom(bytes: number): void {
    if (this.#outUsed + bytes <= this.#out.length) return;
    this.#endRun();
    this.#out = Buffer.allocUnsafeSlow(OUT_BYTES);
    this.#outUsed = this.#outStart = 0;
  }

  #endRun(): void {
    if (this.#outUsed > this.#outStart) {
      this.#socket.write(this.#out.subarray(this.#outStart, this.#outUsed));
    }
    this.#outStart = this.#outUsed;
  }

  /** What has left this process wholly can be used again; what has not belongs to the socket. */
  #afterWrite(): void {
    const isSent = this.#socket.writableLength === 0;
    for (const data of this.#read) {
      if (isSent || data.length <= MAX_GATHERED_BYTES) this.#memory.giveBack(data);
    }
    this.#read = [];
    if (!isSent) this.#out = EMPTY;
    this.#outUsed = this.#outStart = 0;
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) this.#setCongested(true);
  }

  /** Stops taking commands while the copies cannot keep up. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#pauseOrResume();
  }

  /** Sends what is left, then closes; a peer that does not take it is cut off. */
  end(): void {
    this.flush();
    this.#lastMoment = setTimeout(() => this.#socket.destroy(), END_GRACE_MS);
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #setCongested(isCongested: boolean): void {
    if (this.#isCongested === isCongested) return;
    this.#isCongested = isCongested;
    this.#pauseOrResume();
    this.#handlers.onCongestion(this, isCongested);
  }

  #pauseOrResume(): void {
    if (this.#isHeld || this.#isCongested) this.#socket.pause();
    else this.#socket.resume();
  }

  #onData(chunk: Buffer): void {
    const pdus: Pdu[] = [];
    const reason = this.#framer.push(chunk, pdus);
    this.#handlers.onPdus(this, pdus);
    if (reason !== undefined) this.#handlers.onRejected(this, reason);
  }
}

/** Padding and digest behind the data. */
const MAX_TAIL_BYTES = 3 + DIGEST_BYTES;
const EMPTY = Buffer.alloc(0);
