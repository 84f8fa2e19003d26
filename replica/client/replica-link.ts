import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { ERROR_CODES, type ErrorCode, KeelsonError, messageOf } from '../common/errors.ts';
import { isProofValid, makeProof } from '../common/proof.ts';
import { MAX_PAYLOAD_BYTES, OPCODE } from '../protocol/constants.ts';
import { encodeFrame, type Frame } from '../protocol/frame.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import {
  decodeChallenge,
  decodeRefusal,
  decodeWelcome,
  encodeJson,
  type Hello,
  NONCE_BYTES,
  PROOF_BYTES,
  type Welcome,
} from '../protocol/hello.ts';

export interface LinkHandlers {
  /** The handshake is done; frames may be sent. */
  onUp(welcome: Welcome): void;
  /** Replies, in the order in which they came; their payloads are valid only during the call. */
  onFrames(frames: readonly Frame[]): void;
  /** The connection could not be made or is gone; called once, and nothing after it. */
  onDown(code: ErrorCode, reason: string): void;
  /** The socket took everything that was written to it. */
  onDrain(): void;
}

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  /** The volume's secret, which both sides prove to hold. */
  readonly secret: Buffer;
  readonly hello: Omit<Hello, 'nonce'>;
  /** How long connecting may take; MAX_CONNECT_MS at most, and if it is not told. */
  readonly connectMs?: number;
}

/** As much as one read of the socket brings. */
const RECEIVE_BYTES = 256 * 1024;
/** Shaking hands is over in milliseconds, or there is nobody there. */
const HANDSHAKE_MS = 3_000;
/** A lost SYN is sent again after 1 s: a new connection does the same, to where the node is by then. */
export const MAX_CONNECT_MS = 1_000;

/** One connection to a replica, from the first byte of the handshake to its end. */
export class ReplicaLink {
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #nonce = randomBytes(NONCE_BYTES).toString('hex');
  #handshakeTimer: NodeJS.Timeout;
  #state: 'challenge' | 'welcome' | 'up' | 'down' = 'challenge';
  #frames: Frame[] = [];

  constructor(options: LinkOptions, handlers: LinkHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    // One buffer for all that is received: a new one for every read is what keeps the collector busy.
    const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
    const callback = (bytes: number): boolean => {
      this.#onData(buffer.subarray(0, bytes));
      return true;
    };
    const { host, port } = options;
    this.#socket = connect({ host, port, noDelay: true, onread: { buffer, callback } });
    this.#socket.on('drain', () => handlers.onDrain());
    this.#socket.on('error', (error) => this.#end('UNAVAILABLE', error.message));
    this.#socket.on('close', () => this.#end('UNAVAILABLE', 'the replica closed the connection'));
    this.#handshakeTimer = this.#endAfter(options.connectMs ?? MAX_CONNECT_MS, 'connection');
    this.#socket.once('connect', () => {
      clearTimeout(this.#handshakeTimer);
      this.#handshakeTimer = this.#endAfter(HANDSHAKE_MS, 'handshake');
    });
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Sends frames that were encoded before; the bytes belong to the link from now on. */
  send(buffers: readonly Buffer[]): void {
    if (this.#state !== 'up') return;
    if (buffers.length > 1) this.#socket.cork();
    for (const buffer of buffers) this.#socket.write(buffer);
    if (buffers.length > 1) this.#socket.uncork();
  }

  /** Drops the connection at once, without an `onDown`. */
  close(): void {
    this.#state = 'down';
    clearTimeout(this.#handshakeTimer);
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    if (this.#state === 'down') return;
    const frames = this.#frames;
    const violation = this.#decoder.push(chunk, frames);
    this.#frames = [];
    try {
      while (this.#state !== 'up' && frames.length > 0) this.#shakeHands(frames.shift()!);
    } catch (error) {
      const code = error instanceof KeelsonError ? error.code : 'PROTOCOL_VIOLATION';
      return this.#end(code, messageOf(error));
    }
    if (this.#state === 'up' && frames.length > 0) this.#handlers.onFrames(frames);
    if (violation !== undefined) this.#end('PROTOCOL_VIOLATION', violation);
  }

  #shakeHands(frame: Frame): void {
    if (frame.opcode === OPCODE.REFUSED) {
      const { code, message } = decodeRefusal(frame.payload);
      throw new KeelsonError(isErrorCode(code) ? code : 'PROTOCOL_VIOLATION', message);
    }
    if (this.#state === 'challenge' && frame.opcode === OPCODE.CHALLENGE) {
      const json = encodeJson({ ...this.#options.hello, nonce: this.#nonce });
      const proof = makeProof(this.#options.secret, decodeChallenge(frame.payload).nonce, json);
      this.#socket.write(encodeFrame({ opcode: OPCODE.HELLO }, Buffer.concat([proof, json])));
      this.#state = 'welcome';
    } else if (this.#state === 'welcome' && frame.opcode === OPCODE.WELCOME) {
      const json = frame.payload.subarray(PROOF_BYTES);
      const expected = makeProof(this.#options.secret, this.#nonce, json);
      if (!isProofValid(frame.payload.subarray(0, PROOF_BYTES), expected)) {
        throw new KeelsonError('UNAUTHENTICATED', 'the replica does not hold the volume secret');
      }
      clearTimeout(this.#handshakeTimer);
      this.#state = 'up';
      this.#handlers.onUp(decodeWelcome(json));
    } else {
      throw new KeelsonError(
        'PROTOCOL_VIOLATION',
        `unexpected opcode ${frame.opcode} in handshake`,
      );
    }
  }

  #endAfter(limitMs: number, what: string): NodeJS.Timeout {
    return setTimeout(() => this.#end('UNAVAILABLE', `no ${what} within ${limitMs} ms`), limitMs);
  }

  #end(code: ErrorCode, reason: string): void {
    if (this.#state === 'down') return;
    this.close();
    this.#handlers.onDown(code, reason);
  }
}

/** What a link may have unsent before its controller stops taking new work from initiators. */
export const MAX_UNSENT_BYTES = 8 * MAX_PAYLOAD_BYTES;

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
