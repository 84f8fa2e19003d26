import {
  MAX_CONNECT_MS,
  MAX_UNSENT_BYTES,
  ReplicaLink,
} from '../../replica/client/replica-link.ts';
import { assert } from '../../replica/common/assert.ts';
import type { ErrorCode } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { Lz4 } from '../../replica/common/lz4.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { Hello, Welcome } from '../../replica/protocol/hello.ts';
import type { ReplicaAddress } from '../protocol/registration.ts';
import type { CopyIndex, SendEffect } from '../volume/step.ts';
import { FrameBatch } from './frame-batch.ts';

export interface LinksHandlers {
  onUp(copy: CopyIndex, welcome: Welcome): void;
  onFrames(copy: CopyIndex, frames: readonly Frame[]): void;
  onDown(copy: CopyIndex, code: ErrorCode): void;
  /** Something that was too full to take more may have room again. */
  onRoom(): void;
}

interface Peer {
  address: ReplicaAddress;
  hello: Omit<Hello, 'nonce'>;
  link: ReplicaLink | undefined;
  retry: NodeJS.Timeout | undefined;
  failures: number;
  lastReason: string;
}

/** First pause before connecting again, doubled at every failure. A replica restarts in ~100 ms. */
const FIRST_RETRY_MS = 25;
const LAST_RETRY_MS = 1_000;

/**
 * How long the first tries to connect get; later ones up to MAX_CONNECT_MS. Within a cluster it takes a
 * millisecond; but what is sent to an address that has just come to be may get lost, and the kernel
 * would send it again after a second only.
 */
const FIRST_CONNECT_MS = 100;
const QUICK_TRIES = 4;

/** The connections to all copies: made, kept up, and written to once a turn. */
export class ReplicaLinks {
  readonly #peers = new Map<CopyIndex, Peer>();
  readonly #handlers: LinksHandlers;
  readonly #secret: Buffer;
  readonly #log: Log;
  readonly #batch: FrameBatch;

  constructor(options: { handlers: LinksHandlers; secret: Buffer; log: Log; lz4: Lz4 }) {
    this.#handlers = options.handlers;
    this.#secret = options.secret;
    this.#log = options.log;
    this.#batch = new FrameBatch(options.lz4);
  }

  /** Connects, or has an existing peer say this hello, there, the next time. */
  connect(copy: CopyIndex, address: ReplicaAddress, hello: Omit<Hello, 'nonce'>): void {
    const peer = this.#peers.get(copy);
    if (peer !== undefined) {
      peer.hello = hello;
      peer.address = address;
      return;
    }
    const added: Peer = {
      address,
      hello,
      link: undefined,
      retry: undefined,
      failures: 0,
      lastReason: '',
    };
    this.#peers.set(copy, added);
    this.#open(copy, added);
  }

  /** Drops the connection of this copy and makes a new one after a pause. */
  disconnect(copy: CopyIndex, reason: string): void {
    const peer = this.#peer(copy);
    peer.link?.close();
    this.#retryLater(copy, peer, reason);
  }

  /** Closes the connection of this copy and forgets it. */
  drop(copy: CopyIndex): void {
    const peer = this.#peers.get(copy);
    if (peer === undefined) return;
    clearTimeout(peer.retry);
    peer.link?.close();
    this.#peers.delete(copy);
  }

  append(effect: SendEffect): void {
    this.#batch.append(effect);
  }

  /** Sends what was appended since the last call. */
  flush(): void {
    // A copy may have been dropped in the same turn.
    this.#batch.take((copy, buffers) => this.#peers.get(copy)?.link?.send(buffers));
    for (const { link } of this.#peers.values()) {
      if (link !== undefined && link.unsentBytes > 0) return;
    }
    this.#batch.rewind();
  }

  /** Whether some copy takes its frames so slowly that no new work should be accepted. */
  isFull(): boolean {
    for (const { link } of this.#peers.values()) {
      if (link !== undefined && link.unsentBytes > MAX_UNSENT_BYTES) return true;
    }
    return false;
  }

  close(): void {
    for (const peer of this.#peers.values()) {
      clearTimeout(peer.retry);
      peer.link?.close();
    }
    this.#peers.clear();
  }

  #open(copy: CopyIndex, peer: Peer): void {
    const { address, hello, failures } = peer;
    const patience = 2 ** Math.max(0, failures - QUICK_TRIES + 1);
    const connectMs = Math.min(FIRST_CONNECT_MS * patience, MAX_CONNECT_MS);
    peer.link = new ReplicaLink(
      { ...address, secret: this.#secret, hello, connectMs },
      {
        onUp: (welcome) => {
          peer.failures = 0;
          peer.lastReason = '';
          this.#handlers.onUp(copy, welcome);
        },
        onFrames: (frames) => this.#handlers.onFrames(copy, frames),
        onDown: (code, reason) => {
          this.#retryLater(copy, peer, reason);
          this.#handlers.onDown(copy, code);
        },
        onDrain: () => this.#handlers.onRoom(),
      },
    );
  }

  #retryLater(copy: CopyIndex, peer: Peer, reason: string): void {
    peer.link = undefined;
    if (reason !== peer.lastReason) {
      this.#log.warn('replica not connected', { replica: peer.hello.replicaId, reason });
      peer.lastReason = reason;
    }
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** peer.failures, LAST_RETRY_MS);
    peer.failures += 1;
    clearTimeout(peer.retry);
    peer.retry = setTimeout(() => this.#open(copy, peer), pauseMs);
  }

  #peer(copy: CopyIndex): Peer {
    const peer = this.#peers.get(copy);
    assert(peer !== undefined, 'a copy is connected before it is used', { copy });
    return peer;
  }
}
