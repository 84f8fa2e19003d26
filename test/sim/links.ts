import type { CopyIndex, SendEffect } from '../../controller/volume/step.ts';
import { ERROR_CODES, type ErrorCode } from '../../replica/common/errors.ts';
import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { FLAG, OPCODE } from '../../replica/protocol/constants.ts';
import { type Frame, NO_PAYLOAD } from '../../replica/protocol/frame.ts';
import type { Hello, Welcome } from '../../replica/protocol/hello.ts';
import { encodeStamp, stampOfData } from './content.ts';
import { breakConnection, type Connection, type ToController, type ToReplica } from './network.ts';
import type { Process } from './process.ts';

/** Connecting and shaking hands is over by then, or there is nobody there. */
const HANDSHAKE_MS = 150;
const FIRST_RETRY_MS = 2;
const LAST_RETRY_MS = 50;

/** Makes a connection to the host of a replica; what arrives there is the network's business. */
export type Dial = (
  host: string,
  onMessage: (connection: Connection, message: ToController) => void,
) => Connection;

export interface LinksHandlers {
  onUp(copy: CopyIndex, welcome: Welcome): void;
  onFrame(copy: CopyIndex, frame: Frame): void;
  onDown(copy: CopyIndex, code: ErrorCode): void;
  /** All that came with one read of a socket was handed over. */
  onTurnEnd(): void;
}

interface Peer {
  host: string;
  hello: Omit<Hello, 'nonce'>;
  connection: Connection | undefined;
  isUp: boolean;
  failures: number;
}

/** The connections of one controller to its copies: made, kept up, and made again. */
export class Links {
  readonly #process: Process;
  readonly #dial: Dial;
  readonly #handlers: LinksHandlers;
  readonly #peers = new Map<CopyIndex, Peer>();

  constructor(process: Process, dial: Dial, handlers: LinksHandlers) {
    this.#process = process;
    this.#dial = dial;
    this.#handlers = handlers;
  }

  connect(copy: CopyIndex, host: string, hello: Omit<Hello, 'nonce'>): void {
    const peer = this.#peers.get(copy);
    if (peer !== undefined) {
      peer.hello = hello;
      peer.host = host;
      return;
    }
    const added = { host, hello, connection: undefined, isUp: false, failures: 0 };
    this.#peers.set(copy, added);
    this.#open(copy, added);
  }

  disconnect(copy: CopyIndex): void {
    const peer = this.#peers.get(copy);
    if (peer === undefined) return;
    peer.connection?.toReplica.end({ kind: 'closed' });
    this.#retryLater(copy, peer);
  }

  /** For good. */
  drop(copy: CopyIndex): void {
    const peer = this.#peers.get(copy);
    if (peer === undefined) return;
    peer.connection?.toReplica.end({ kind: 'closed' });
    peer.connection = undefined;
    this.#peers.delete(copy);
  }

  send(effect: SendEffect): void {
    const frame = makeFrame(effect);
    for (const [copy, peer] of this.#peers) {
      if ((effect.copies & (1 << copy)) === 0 || !peer.isUp) continue;
      peer.connection?.toReplica.send({ kind: 'frame', frame });
    }
  }

  /** The process is gone: its kernel says so to the other ends, unless the machine is gone too. */
  end(hasPower: boolean): void {
    for (const { connection } of this.#peers.values()) {
      if (hasPower) connection?.toReplica.end({ kind: 'closed' });
      else connection?.toReplica.vanish();
    }
    this.#peers.clear();
  }

  /** The network drops the connection to one copy. */
  break(replicaId: string): void {
    for (const { hello, connection } of this.#peers.values()) {
      if (hello.replicaId === replicaId && connection !== undefined) breakConnection(connection);
    }
  }

  #open(copy: CopyIndex, peer: Peer): void {
    const arrived: ToController[] = [];
    const connection = this.#dial(peer.host, (from, message) => {
      // What comes while the process is busy is read from the socket at once, in one turn.
      if (arrived.push(message) > 1) return;
      this.#process.post(() => {
        for (const next of arrived.splice(0)) {
          if (peer.connection === from) this.#receive(copy, peer, next);
        }
        this.#handlers.onTurnEnd();
      });
    });
    peer.connection = connection;
    const hello: ToReplica = { kind: 'hello', hello: { ...peer.hello, nonce: 'n' } };
    connection.toReplica.send(hello);
    this.#process.after(HANDSHAKE_MS, () => {
      if (peer.connection !== connection || peer.isUp) return;
      connection.toReplica.end({ kind: 'closed' });
      this.#down(copy, peer, 'UNAVAILABLE');
      this.#handlers.onTurnEnd();
    });
  }

  #receive(copy: CopyIndex, peer: Peer, message: ToController): void {
    switch (message.kind) {
      case 'welcome':
        peer.isUp = true;
        peer.failures = 0;
        return this.#handlers.onUp(copy, message.welcome);
      case 'frame':
        return this.#handlers.onFrame(copy, message.frame);
      case 'refused':
        return this.#down(copy, peer, toErrorCode(message.refusal.code));
      case 'closed':
        return this.#down(copy, peer, 'UNAVAILABLE');
    }
  }

  #down(copy: CopyIndex, peer: Peer, code: ErrorCode): void {
    this.#retryLater(copy, peer);
    this.#handlers.onDown(copy, code);
  }

  #retryLater(copy: CopyIndex, peer: Peer): void {
    peer.connection = undefined;
    peer.isUp = false;
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** peer.failures, LAST_RETRY_MS);
    peer.failures += 1;
    this.#process.after(pauseMs, () => {
      if (this.#peers.get(copy) === peer && peer.connection === undefined) this.#open(copy, peer);
    });
  }
}

/** One frame for all copies; what a write carries is read from its memory now, and only now. */
function makeFrame(effect: SendEffect): Frame {
  const { opcode, flags, seq, stableSeq, offset, length, generation, data, isEncoded } = effect;
  const isPlainWrite = opcode === OPCODE.WRITE && !isEncoded && data !== undefined;
  return {
    ...{ opcode, seq, stableSeq, offset, length, generation, status: 0 },
    flags: isPlainWrite ? flags | FLAG.LZ4 : flags,
    payload: isPlainWrite
      ? encodeStamp(stampOfData(data), length / BLOCK_BYTES)
      : (data ?? NO_PAYLOAD),
  };
}

function toErrorCode(code: string): ErrorCode {
  if (!Object.hasOwn(ERROR_CODES, code)) throw new Error(`unknown code ${code}`);
  return code as ErrorCode;
}
