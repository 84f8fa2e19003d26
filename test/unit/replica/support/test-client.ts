import { connect, type Socket } from 'node:net';
import { makeProof } from '../../../../replica/common/proof.ts';
import { OPCODE, PROTOCOL_VERSION } from '../../../../replica/protocol/constants.ts';
import { encodeFrame, type Frame, type FrameFields } from '../../../../replica/protocol/frame.ts';
import { FrameDecoder } from '../../../../replica/protocol/frame-decoder.ts';
import {
  decodeChallenge,
  decodeRefusal,
  decodeWelcome,
  encodeJson,
  type Hello,
  PROOF_BYTES,
  type Refusal,
  type Welcome,
} from '../../../../replica/protocol/hello.ts';

const NONCE = 'c0'.repeat(32);

/** A controller's side of one connection, as small as a test needs it. */
export class TestClient {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #arrived: Frame[] = [];
  readonly #waiting: ((frame: Frame | undefined) => void)[] = [];
  readonly closed: Promise<void>;
  #seq = 0;

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('data', (chunk) => {
      const frames: Frame[] = [];
      const reason = this.#decoder.push(chunk as Buffer, frames);
      if (reason !== undefined) throw new Error(`replica sent no frame: ${reason}`);
      // Kept past this call, which the decoder's views are not.
      for (const view of frames) {
        const frame = { ...view, payload: Buffer.from(view.payload) };
        const waiter = this.#waiting.shift();
        if (waiter === undefined) this.#arrived.push(frame);
        else waiter(frame);
      }
    });
    this.#socket.on('error', () => undefined); // a reset is one of the ways to be cut
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        for (const waiter of this.#waiting.splice(0)) waiter(undefined);
        resolve();
      });
    });
  }

  /** The next frame, or undefined when the connection is closed instead. */
  next(): Promise<Frame | undefined> {
    const frame = this.#arrived.shift();
    if (frame !== undefined || this.#socket.destroyed) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Stops reading what the replica sends. */
  pause(): void {
    this.#socket.pause();
  }

  sendBytes(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  async hello(secret: Buffer, fields: Partial<Hello> = {}): Promise<Welcome | Refusal | undefined> {
    const challenge = await this.next();
    if (challenge?.opcode !== OPCODE.CHALLENGE) throw new Error('expected a challenge');
    const { nonce } = decodeChallenge(challenge.payload);
    const json = encodeJson({
      ...{
        protocolVersion: PROTOCOL_VERSION,
        volumeId: 'v1',
        replicaId: 'r1',
        dataId: null,
        session: 0,
      },
      ...{ epoch: 1, instanceId: 'i1', nonce: NONCE, ...fields },
    });
    const proof = makeProof(secret, nonce, json);
    this.sendBytes(encodeFrame({ opcode: OPCODE.HELLO }, Buffer.concat([proof, json])));
    const answer = await this.next();
    if (answer === undefined) return undefined;
    if (answer.opcode === OPCODE.REFUSED) return decodeRefusal(answer.payload);
    const welcomeJson = answer.payload.subarray(PROOF_BYTES);
    const expected = makeProof(secret, NONCE, welcomeJson);
    if (!expected.equals(answer.payload.subarray(0, PROOF_BYTES))) throw new Error('wrong proof');
    return decodeWelcome(welcomeJson);
  }

  /** Sends one request and waits for its reply; only one may be under way. */
  async request(fields: FrameFields, payload?: Buffer): Promise<Frame> {
    this.#seq += 1;
    this.sendBytes(encodeFrame({ seq: this.#seq, ...fields }, payload));
    const reply = await this.next();
    if (reply === undefined) throw new Error('the replica closed the connection');
    return reply;
  }

  close(): void {
    this.#socket.destroy();
  }
}
