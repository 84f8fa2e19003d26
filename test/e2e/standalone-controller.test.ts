import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ChapCredentials, chapModeOf } from '../../controller/protocol/chap-credentials.ts';
import { makeInitialMembership } from '../../controller/protocol/membership.ts';
import type { Registration } from '../../controller/protocol/registration.ts';
import { eventually, exitOf, run } from '../support/child.ts';
import { NODE, ROOT } from '../support/keelson.ts';

/** A controller whose registry is this test, with CHAP credentials in its environment. */
const HOST = '127.0.7.1';
const SECRET = 'ab'.repeat(32);
const SIZE_BYTES = 64 * 1024 * 1024;
const OWN: ChapCredentials = {
  users: [{ name: 'carol', secret: 'secret-of-the-volume' }],
  ...{ mutual: null, allowsShortSecrets: false },
};

let registry: Server;
let registration: Registration;
/** A controller that waits for the next registration. */
let waiting: ServerResponse | undefined;
let controller: ChildProcess;

beforeAll(async () => {
  registration = {
    revision: 1,
    volume: {
      ...{ id: 'v1', namespace: 'default', name: 'alone', sizeBytes: SIZE_BYTES, replicas: 0 },
      ...{ failureMode: 'soft', failureTolerance: 0, initiators: [], allowsSanitize: false },
    },
    membership: makeInitialMembership([{ replicaId: 'r1', node: 'node1' }], SIZE_BYTES),
    addresses: { r1: { host: HOST, port: 5703 } },
    ...{ leaving: [], goneInstances: [], chap: null },
  };
  registry = createServer((request, response) => {
    if (request.method === 'PUT') request.pipe(response);
    else if (request.url?.endsWith(`after=${registration.revision}`)) waiting = response;
    else response.end(JSON.stringify(registration));
  }).listen(0, '127.0.0.1');
  await new Promise((done) => registry.once('listening', done));
  const { port } = registry.address() as AddressInfo;
  const words = ['--volume', 'default/alone', '--listen', HOST, '--instance-id', 'i1'];
  controller = spawn(
    NODE,
    ['controller/main.ts', ...words, '--registry', `http://127.0.0.1:${port}`],
    {
      cwd: ROOT,
      stdio: 'ignore',
      env: {
        ...{ ...process.env, KEELSON_VOLUME_SECRET: SECRET },
        ...{ KEELSON_CHAP_USER: 'alice', KEELSON_CHAP_SECRET: 'secret-of-the-process' },
      },
    },
  );
  await eventually('the controller serves', chapMode);
});
afterAll(async () => {
  controller.kill('SIGKILL');
  await exitOf(controller);
  registry.closeAllConnections();
  registry.close();
});

test('a controller asks for the credentials in its environment while its volume has none', async () => {
  expect(await chapMode()).toBe('one-way');
  expect(await discover('alice%secret-of-the-process')).toBe(0);
  expect(await discover('alice%another-secret-of-it')).not.toBe(0);
  expect(await discover()).not.toBe(0);
});

test("the volume's own credentials take their place as soon as there are some", async () => {
  await eventually('the controller waits', () => waiting);
  registration = { ...registration, revision: 2, chap: OWN };
  waiting?.end(JSON.stringify(registration));
  await eventually('they count', async () =>
    (await discover('carol%secret-of-the-volume')) === 0 ? true : undefined,
  );
  expect(await discover('alice%secret-of-the-process')).not.toBe(0);
  expect(await chapMode()).toBe(chapModeOf(OWN));
});

async function discover(user?: string): Promise<number | null> {
  const url = `iscsi://${user === undefined ? '' : `${user}@`}${HOST}:3260`;
  const { code, stdout } = await run('iscsi-ls', [url]);
  expect(stdout.includes('default.alone')).toBe(code === 0);
  return code;
}

async function chapMode(): Promise<string> {
  const status = await (await fetch(`http://${HOST}:3261/status`)).json();
  return (status as { target: { chap: string } }).target.chap;
}
