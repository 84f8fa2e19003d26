import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { ReplicaLink } from '../../../../replica/client/replica-link.ts';

/**
 * Listens and never accepts: once its queue of BACKLOG + 1 is full, the kernel drops every further
 * SYN, as the address of a dead node does.
 */
const BACKLOG = 1;
const SILENT_SERVER = `
const { parentPort } = require('node:worker_threads');
const server = require('node:net').createServer();
server.listen({ host: '127.0.0.1', port: 0, backlog: ${BACKLOG} }, () => {
  parentPort.postMessage(server.address().port);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

test('replica link says within about a second that a node is silent', async () => {
  const server = new Worker(SILENT_SERVER, { eval: true });
  const port = await new Promise<number>((resolve) => server.once('message', resolve));
  const filling = Array.from({ length: BACKLOG + 1 }, () => connect({ host: '127.0.0.1', port }));
  await Promise.all(
    filling.map((socket) => new Promise((resolve) => socket.once('connect', resolve))),
  );
  const beganMs = performance.now();
  const reason = await new Promise<string>((resolve) => {
    const hello = {
      ...{ protocolVersion: 1, volumeId: 'v1', replicaId: 'r1', instanceId: 'i1' },
      ...{ dataId: null, epoch: 1, session: 0 },
    };
    new ReplicaLink(
      { host: '127.0.0.1', port, secret: Buffer.alloc(32), hello },
      {
        ...{ onUp: () => undefined, onFrames: () => undefined, onDrain: () => undefined },
        onDown: (code, text) => resolve(`${code}: ${text}`),
      },
    );
  });
  expect(reason).toBe('UNAVAILABLE: no connection within 1000 ms');
  expect(performance.now() - beganMs).toBeLessThan(2_000);
  for (const socket of filling) socket.destroy();
  await server.terminate();
});
