import type { Socket } from 'node:net';
import { assert } from '../common/assert.ts';
import { KeelsonError } from '../common/errors.ts';
import { MAX_IO_BYTES } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import { isProofValid, makeProof } from '../common/proof.ts';
import { receiveInPlace } from '../common/receiving-socket.ts';
import type { ConnectionId } from '../core/step.ts';
import { HEADER_BYTES, MAX_HELLO_BYTES, OPCODE, type Opcode } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import {
  decodeHello,
  encodeJson,
  type Hello,
  PROOF_BYTES,
  type Refusal,
  type Welcome,
} from '../protocol/hello.ts';
import type { Link, ReplicaDriver } from './driver.ts';
import type { Counters } from './metrics.ts';
import { SendArena } from './send-arena.ts';

/** A peer that does not read its replies is not served further than this. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

export interface ConnectionContext {
  readonly driver: ReplicaDriver;
  readonly secret: Buffer;
  readonly counters: Counters;
  readonly log: Log;
  /** It does not count against the limit of strangers any more. */
  readonly onAuthenticated: (connection: Connection) => void;
  readonly onRejected: (reason: string) => void;
}

/** One TCP connection: the handshake, then frames in and replies out. */
export class Connection implements Link {
  readonly id: ConnectionId;
  readonly arena = new SendArena();
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #decoder = new FrameDecoder();
  readonly #nonce: string;
  /** Set once it proved that the peer holds the secret. */
  #hello: Hello | undefined;
  /** Bytes taken before the proof, which are capped. */
  #strangerBytes = 0;
  /** Decoded, but not carried out while the peer does not read. */
  #backlog: Frame[] = [];
  /** What is in the backlog waits for the disk, not for the peer. */
  #isHeldUp = false;

  constructor(id: ConnectionId, nonce: string, accepted: Socket, context: ConnectionContext) {
    this.id = id;
    this.#nonce = nonce;
    this.#context = context;
    const socket = receiveInPlace(accepted, (chunk) => this.#onData(chunk));
    this.#socket = socket;
    socket.on('drain', () => this.#resume());
    socket.on('error', (error) => context.log.warn('connection failed', { reason: error.message }));
    socket.on('close', () => context.driver.removeLink(this));
    this.#sendJson(OPCODE.CHALLENGE, encodeJson({ nonce }));
    this.flush();
    socket.resume();
  }

  get socket(): Socket {
    return this.#socket;
  }

  welcome(welcome: Welcome): void {
    const hello = this.#hello;
    assert(hello !== undefined, 'only a proven hello is welcomed');
    const json = encodeJson(welcome);
    const proof = makeProof(this.#context.secret, hello.nonce, json);
    this.#sendJson(OPCODE.WELCOME, Buffer.concat([proof, json]));
    const { epoch, instanceId } = hello;
    const { session, restart, tail } = welcome;
    const fields = { epoch, instanceId, session, restart, rangesInDoubt: tail.length };
    this.#context.log.info('controller connected', fields);
  }

  refuse(refusal: Refusal): void {
    this.#context.log.warn('controller refused', { code: refusal.code, reason: refusal.message });
    this.#sendJson(OPCODE.REFUSED, encodeJson(refusal));
    this.flush();
    this.#socket.end();
  }

  close(reason: string): void {
    this.#context.log.info('connection closed', { reason });
    this.#socket.destroy();
  }

  /** Lets the peer have what was sent, then closes. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  flush(): void {
    this.#rewindIfSent();
    const buffers = this.arena.take();
    for (const bytes of buffers) {
      this.#context.counters.wireBytes.sent += bytes.length;
      this.#socket.write(bytes);
    }
    if (buffers.length > 0) this.#rewindIfSent();
    if (this.#isHeldUp && !this.#context.driver.isCongested) {
      this.#isHeldUp = false;
      // Not within the turn that ends here.
      setImmediate(() => this.#resume());
    }
  }

  #rewindIfSent(): void {
    if (this.#socket.writableLength === 0) this.arena.rewind();
  }

  /** Cuts a peer that does not speak the protocol. It costs nobody else anything. */
  reject(reason: string): void {
    this.#context.onRejected(reason);
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#context.counters.wireBytes.received += chunk.length;
    if (this.#hello === undefined) {
      this.#strangerBytes += chunk.length;
      if (this.#strangerBytes > HEADER_BYTES + MAX_HELLO_BYTES) {
        this.reject('hello too long');
        return;
      }
    }
    const frames: Frame[] = [];
    const reason = this.#decoder.push(chunk, frames);
    if (reason !== undefined) {
      this.reject(reason);
      return;
    }
    if (this.#hello === undefined && frames.length > 0) this.#onHello(frames.shift()!);
    if (this.#socket.destroyed || frames.length === 0) return;
    this.#backlog = this.#backlog.length === 0 ? frames : this.#backlog.concat(frames);
    this.#workOff();
  }

  #onHello(frame: Frame): void {
    const hello = this.#checkHello(frame);
    if (typeof hello === 'string') {
      this.reject(hello);
      return;
    }
    const { driver, onAuthenticated } = this.#context;
    this.#hello = hello;
    onAuthenticated(this);
    driver.hello(this, hello);
  }

  /** The hello, or why the connection is cut. The proof comes before anything is parsed. */
  #checkHello({ opcode, payload }: Frame): Hello | string {
    if (opcode !== OPCODE.HELLO || payload.length < PROOF_BYTES) return 'no hello';
    const json = payload.subarray(PROOF_BYTES);
    const expected = makeProof(this.#context.secret, this.#nonce, json);
    if (!isProofValid(payload.subarray(0, PROOF_BYTES), expected)) return 'wrong proof';
    try {
      return decodeHello(json);
    } catch (error) {
      if (error instanceof KeelsonError) return error.message;
      throw error;
    }
  }

  /** Carries out the backlog in turns whose answers are bounded, while peer and disk keep up. */
  #workOff(): void {
    const { driver } = this.#context;
    while (this.#backlog.length > 0 && !this.#socket.destroyed) {
      this.#isHeldUp = driver.isCongested;
      if (this.#isHeldUp || this.#socket.writableLength > MAX_UNSENT_BYTES) {
        this.#socket.pause();
        this.#backlog = this.#backlog.map(withOwnPayload);
        return;
      }
      const count = countWithin(this.#backlog, MAX_IO_BYTES);
      const frames = this.#backlog;
      this.#backlog = count === frames.length ? [] : frames.slice(count);
      driver.turnOfFrames(this, count === frames.length ? frames : frames.slice(0, count));
    }
  }

  #resume(): void {
    this.#workOff();
    if (this.#backlog.length === 0) this.#socket.resume();
  }

  #sendJson(opcode: Opcode, payload: Buffer): void {
    payload.copy(this.arena.reserve(payload.length));
    this.arena.append({ opcode }, payload.length);
  }
}

/** A frame that outlives the receive buffer that its payload is a view on. */
function withOwnPayload(frame: Frame): Frame {
  return { ...frame, payload: Buffer.from(frame.payload) };
}

/** How many frames from the front ask for at most `limitBytes` of data together; at least one. */
function countWithin(frames: readonly Frame[], limitBytes: number): number {
  let bytes = 0;
  for (const [index, frame] of frames.entries()) {
    if (frame.opcode === OPCODE.READ) bytes += frame.length;
    if (bytes > limitBytes) return Math.max(1, index);
  }
  return frames.length;
}
