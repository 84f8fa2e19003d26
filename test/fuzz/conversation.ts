import { connect } from 'node:net';
import { ReplicaLink } from '../../replica/client/replica-link.ts';
import type { SeededRandom } from '../support/random.ts';
import type { LoneReplica } from './lone-replica.ts';
import { mutate } from './mutate.ts';
import { anyStream } from './targets/replication.ts';

export interface Port {
  readonly host: string;
  readonly port: number;
}

/** How long an answer is waited for between two parts; a peer that was misled says nothing. */
const ANSWER_MS = 100;
const LINK_MS = 2_000;
/** Every file system that tests run on takes a sparse file of this length. */
const RESIZE_LIMIT_BYTES = 2 ** 40;

/**
 * Sends the parts, some of them damaged, the next one when the one before was answered; then ends
 * the connection in one of the ways in which connections end.
 */
export async function converse(
  to: Port,
  parts: readonly Buffer[],
  random: SeededRandom,
): Promise<void> {
  const damaged = random.chance(0.5) ? random.below(parts.length) : -1;
  const sent = parts.map((part, index) => {
    return index === damaged || random.chance(0.1) ? mutate(part, random) : part;
  });
  const ending = random.below(3);
  const socket = connect({ host: to.host, port: to.port, noDelay: true, allowHalfOpen: true });
  socket.on('error', () => undefined); // being reset is a fine answer to all of this
  const closed = new Promise<void>((done) => socket.once('close', () => done()));
  let onData = () => {};
  socket.on('data', () => onData());
  for (const part of sent) {
    if (socket.destroyed) break;
    const answered = new Promise<void>((done) => {
      onData = done;
      setTimeout(done, ANSWER_MS).unref();
    });
    socket.write(part);
    await Promise.race([answered, closed]);
  }
  if (ending === 0) socket.resetAndDestroy();
  else if (ending === 1) socket.destroySoon();
  else socket.end();
  socket.setTimeout(ANSWER_MS, () => socket.destroy());
  await closed;
}

/** A controller that proved itself to a replica, and then says anything. */
export async function fuzzReplicaLink(replica: LoneReplica, random: SeededRandom): Promise<void> {
  const stream = anyStream(random, RESIZE_LIMIT_BYTES);
  await new Promise<void>((done) => {
    const timer = setTimeout(() => end(), LINK_MS);
    const link = new ReplicaLink(replica.linkOptions(), {
      onUp: () => {
        link.send([stream]);
        setTimeout(end, ANSWER_MS / 4);
      },
      onFrames: () => undefined,
      onDown: () => end(),
      onDrain: () => undefined,
    });
    const end = () => {
      clearTimeout(timer);
      link.close();
      done();
    };
  });
}
