import { Socket } from 'node:net';

/** As much as one read of a socket brings. */
const RECEIVE_BYTES = 256 * 1024;
const RECEIVED = Buffer.allocUnsafeSlow(RECEIVE_BYTES);

/**
 * The same connection as `accepted`, which must be paused, read into one buffer that all sockets of
 * the process use again and again; `onChunk` gets views on it that are valid only during the call.
 * (One socket is read and its bytes are handed over before the next one is read.) A fresh 64 KiB
 * buffer for every read, which is what a server's sockets do otherwise, costs a replica a tenth of
 * its CPU in allocation and collection; one for each socket would make many connections dear.
 *
 * Node offers this (`onread`) only for sockets one makes oneself, so the accepted one gives up its
 * handle. Should a later Node not have that handle, the socket is used as it is.
 */
export function receiveInPlace(accepted: Socket, onChunk: (chunk: Buffer) => void): Socket {
  const holder = accepted as unknown as { _handle?: object | null };
  const handle = holder._handle;
  if (handle === undefined || handle === null) {
    accepted.on('data', onChunk);
    return accepted;
  }
  holder._handle = null;
  const callback = (bytes: number): boolean => {
    onChunk(RECEIVED.subarray(0, bytes));
    return true;
  };
  const options = { handle, onread: { buffer: RECEIVED, callback } };
  return new Socket(options as ConstructorParameters<typeof Socket>[0]);
}
