import { Socket } from 'node:net';

/** As much as one read of a socket brings. */
const RECEIVE_BYTES = 256 * 1024;

/**
 * The same connection as `accepted`, which must be paused, read into one buffer that is used again
 * and again; `onChunk` gets views on it that are valid only during the call. A fresh 64 KiB buffer
 * for every read, which is what a server's sockets do otherwise, costs a replica a tenth of its CPU
 * in allocation and collection.
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
  const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
  const callback = (bytes: number): boolean => {
    onChunk(buffer.subarray(0, bytes));
    return true;
  };
  const options = { handle, onread: { buffer, callback } };
  return new Socket(options as ConstructorParameters<typeof Socket>[0]);
}
