import { createServer } from 'node:http';
import { connect } from 'node:net';
import { makeInitialMembership } from '../controller/protocol/membership.ts';
import type { Registration } from '../controller/protocol/registration.ts';

/**
 * Runs in a container whose network the measured one shares: prints `up` when that answers and `down`
 * when it no longer does. Argument: `http PORT`, or `iscsi PORT REGISTRY_PORT`, for which it also
 * plays the registry of the volume default/probe.
 */
const HOST = '127.0.0.1';

/** Short beside a start, and still far from a busy loop. */
const EVERY_MS = 2;
const TIMEOUT_MS = 1_000;

const SIZE_BYTES = 64 * 1024 * 1024;

const [kind, port = '', registryPort = ''] = process.argv.slice(1); // there is no file: node -e
if (kind === 'iscsi') serveRegistry(Number(registryPort));
const question =
  kind === 'iscsi' ? loginRequest() : `GET /healthz HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`;
/** A Login Response (RFC 7143 section 11.13) with status 0, or an HTTP status of 200. */
const isAnswer = (bytes: Buffer): boolean =>
  kind === 'iscsi'
    ? bytes[0] === 0x23 && bytes[36] === 0
    : bytes.toString('latin1', 0, 12).endsWith(' 200');

for (let wasUp = false; ; ) {
  const isUp = await ask();
  if (isUp !== wasUp) process.stdout.write(isUp ? 'up\n' : 'down\n');
  wasUp = isUp;
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}

function ask(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port: Number(port), timeout: TIMEOUT_MS });
    socket.once('connect', () => socket.write(question));
    socket.once('data', (bytes: Buffer) => {
      resolve(isAnswer(bytes));
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy());
    socket.once('error', () => undefined); // refused: nothing listens yet
    socket.once('close', () => resolve(false));
  });
}

/** Login Request (RFC 7143 section 11.12) for a discovery session: straight to full feature phase. */
function loginRequest(): Buffer {
  const keys = 'InitiatorName=iqn.2026-11.io.keelson:probe\0SessionType=Discovery\0';
  const header = Buffer.alloc(48);
  header[0] = 0x43; // immediate, Login Request
  header[1] = 0x87; // transit, from operational negotiation to full feature phase
  header.writeUIntBE(keys.length, 5, 3);
  header[8] = 0x80; // ISID: random
  const padding = Buffer.alloc((4 - (keys.length % 4)) % 4);
  return Buffer.concat([header, Buffer.from(keys), padding]);
}

function serveRegistry(at: number): void {
  const registration: Registration = {
    revision: 1,
    volume: {
      ...{ id: 'probe', namespace: 'default', name: 'probe', sizeBytes: SIZE_BYTES, replicas: 0 },
      ...{ failureMode: 'soft', failureTolerance: 0, initiators: [], allowsSanitize: false },
    },
    membership: makeInitialMembership([{ replicaId: 'r1', node: 'node1' }], SIZE_BYTES),
    addresses: { r1: { host: HOST, port: 5703 } },
    ...{ leaving: [], goneInstances: [], chap: null },
  };
  createServer((request, response) => {
    if (request.method === 'PUT') request.pipe(response);
    // A wait for the next revision, of which there is none, stays open.
    else if (request.url?.includes('after=') !== true) response.end(JSON.stringify(registration));
  }).listen(at, HOST);
}
