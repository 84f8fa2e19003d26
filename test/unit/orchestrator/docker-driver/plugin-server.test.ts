import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '../../../../orchestrator/client/api-client.ts';
import { Attachments } from '../../../../orchestrator/docker-driver/attachments.ts';
import { Driver } from '../../../../orchestrator/docker-driver/driver.ts';
import {
  listenPlugin,
  type PluginServer,
} from '../../../../orchestrator/docker-driver/plugin-server.ts';
import { RecordStore } from '../../../../orchestrator/docker-driver/record-store.ts';
import { Wishes } from '../../../../orchestrator/docker-driver/wishes.ts';
import { monotonicClock } from '../../../../replica/common/clock.ts';
import { eventually } from '../../../support/child.ts';
import { FakeHost, FakeVolume } from './support/fake-host.ts';
import { type FakeOrchestrator, startFakeOrchestrator, VIEW } from './support/fake-orchestrator.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

let directory: string;
let socket: string;
let orchestrator: FakeOrchestrator;
let host: FakeHost;
let store: RecordStore;
let attachments: Attachments;
let driver: Driver;
let server: PluginServer;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-plugin-'));
  socket = join(directory, 'plugins/keelson.sock');
  orchestrator = await startFakeOrchestrator();
  host = new FakeHost(new FakeVolume());
  store = await RecordStore.open(join(directory, 'state'), 'boot-1');
  const api = new ApiClient({ url: orchestrator.url });
  attachments = await Attachments.open({
    ...{ host, store, clock: monotonicClock, log: quiet },
    wishes: new Wishes({ api, chap: null, mountPathOf: (volume) => store.mountPathOf(volume) }),
    ...{ retryMs: 3_600_000, abandonedMs: 3_600_000 },
  });
  driver = new Driver({ api, attachments, defaults: { 'keelson.io/replicas': '1' }, chap: null });
  server = await listenPlugin(socket, driver, quiet);
});
afterEach(async () => {
  await server.close();
  await attachments.close();
  store.close();
  await orchestrator.close();
  rmSync(directory, { recursive: true });
});

/** As Docker calls. */
function call(path: string, body = '{}', onSent: () => void = () => undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: socket, path, method: 'POST' }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode, ...JSON.parse(text) }));
    });
    sent.on('error', reject);
    sent.end(body, onSent);
  });
}
const named = (fields: object = {}) => JSON.stringify({ Name: 'db', ...fields });
const mountPath = () => join(directory, 'state/mounts/default.db');
const done = { status: 200, Err: '' };

test('S34 Docker is told that this is a volume driver, whose volumes all engines share', async () => {
  expect(await call('/Plugin.Activate', '')).toEqual({ ...done, Implements: ['VolumeDriver'] });
  expect(await call('/VolumeDriver.Capabilities')).toEqual({
    ...{ ...done, Capabilities: { Scope: 'global' } },
  });
  expect(statSync(socket).mode & 0o777).toBe(0o600);
});

test('S34 S30 a creation reaches the orchestrator with its labels and the driver’s defaults', async () => {
  const options = { size: '15', 'storageos.feature.replicas': '2' };
  expect(await call('/VolumeDriver.Create', named({ Opts: options }))).toEqual(done);
  expect(orchestrator.calls).toEqual([
    {
      call: 'POST /v1/volumes',
      body: {
        ...{ namespace: 'default', name: 'db', size: '15' },
        labels: { 'storageos.feature.replicas': '2' },
        defaults: { 'keelson.io/replicas': '1' },
      },
    },
  ]);
});

test('S34 volumes are listed and inspected by their Docker names', async () => {
  orchestrator.answer = (path) =>
    path === 'GET /v1/volumes'
      ? [VIEW, { ...VIEW, namespace: 'prod' }, { ...VIEW, name: 'going', isDeleting: true }]
      : VIEW;
  expect(await call('/VolumeDriver.List')).toEqual({
    ...done,
    Volumes: [
      { Name: 'db', Mountpoint: '' },
      { Name: 'prod.db', Mountpoint: '' },
    ],
  });
  expect(await call('/VolumeDriver.Get', named())).toMatchObject({
    ...done,
    Volume: { Name: 'db', Status: { volume: 'default/db', health: 'healthy', usesHere: 0 } },
  });
});

test('S34 a mount answers where, and Path says the same until the last unmount', async () => {
  expect(await call('/VolumeDriver.Mount', named({ ID: 'a' }))).toEqual({
    ...{ ...done, Mountpoint: mountPath() },
  });
  expect(await call('/VolumeDriver.Path', named())).toEqual({ ...done, Mountpoint: mountPath() });
  expect(await call('/VolumeDriver.Unmount', named({ ID: 'a' }))).toEqual(done);
  expect(await call('/VolumeDriver.Path', named())).toEqual({ ...done, Mountpoint: '' });
  expect(host.isClean).toBe(true);
});

test('S34 a removal erases the volume only when nothing here uses it', async () => {
  await call('/VolumeDriver.Mount', named({ ID: 'a' }));
  host.isHeldElsewhere = true;
  expect(await call('/VolumeDriver.Remove', named())).toMatchObject({
    Err: 'remove volume default/db: containers on this host have it mounted; stop and remove them first',
  });
  host.isHeldElsewhere = false;
  await call('/VolumeDriver.Unmount', named({ ID: 'a' }));
  expect(await call('/VolumeDriver.Remove', named())).toEqual(done);
  const erased = orchestrator.calls.filter(({ call: made }) => made.startsWith('DELETE'));
  expect(erased.map(({ call: made }) => made)).toEqual([
    'DELETE /v1/volumes/default/db?force=false',
  ]);
});

test('what the orchestrator refuses is told in its words', async () => {
  const error = { code: 'ALREADY_EXISTS', message: 'it exists and differs: size is 1GiB' };
  orchestrator.answer = () => ({ error });
  expect(await call('/VolumeDriver.Create', named())).toEqual({ status: 200, Err: error.message });
});

test.each([
  ['/VolumeDriver.Get', 'no json', /^body: expected JSON$/],
  ['/VolumeDriver.Get', '', /went away before it had answered, .* without saying what; try again$/],
  ['/VolumeDriver.Get', '{}', /^Name: expected/],
  ['/VolumeDriver.Get', '{"Name":"my_db"}', /^volume name "my_db": expected NAME/],
  ['/VolumeDriver.Nope', '{}', /no such call/],
  ['/VolumeDriver.Get', `{"Name":"${'x'.repeat(1024 * 1024)}"}`, /at most 1048576 bytes/],
])('%s with %.20s is refused in one sentence', async (path, body, reason) => {
  expect(await call(path, body)).toMatchObject({ Err: expect.stringMatching(reason) });
});

test('a mount that Docker does not wait for any more is taken back', async () => {
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const logIn = host.logIn.bind(host);
  host.logIn = async (wish) => {
    reached.resolve();
    await go.promise;
    await logIn(wish);
  };
  const sent = request({ socketPath: socket, path: '/VolumeDriver.Mount', method: 'POST' });
  sent.on('error', () => undefined);
  sent.end(named({ ID: 'a' }));
  await reached.promise;
  sent.destroy();
  await new Promise((resolve) => sent.once('close', resolve));
  go.resolve();
  await eventually('the mount is taken back', () =>
    host.steps.at(-1) === 'forget' ? true : undefined,
  );
  expect([host.isClean, attachments.usesOf(VIEW)]).toEqual([true, 0]);
});

test('an answered mount is another one when it comes again, an unanswered one is not', async () => {
  await call('/VolumeDriver.Mount', named({ ID: 'a' }));
  await call('/VolumeDriver.Mount', named({ ID: 'a' }));
  expect(attachments.usesOf(VIEW)).toBe(2);
  await call('/VolumeDriver.Unmount', named({ ID: 'a' }));
  expect([attachments.usesOf(VIEW), host.mounted]).toEqual([1, 'ours']);
});

test('a failure of ours is not shown to Docker, and is in the log', async () => {
  host.requireReady = () => Promise.reject(new TypeError('a bug'));
  expect(await call('/VolumeDriver.Mount', named({ ID: 'a' }))).toMatchObject({
    Err: 'the driver failed; its log says why',
  });
});

test('a socket that a killed driver left is replaced, one that answers is not', async () => {
  await expect(listenPlugin(socket, driver, quiet)).rejects.toThrow(/another driver answers there/);
  const stale = join(directory, 'stale.sock');
  // Node.js takes a socket away when it closes; a killed process does not.
  const listen = `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', listen]);
  expect(existsSync(stale)).toBe(true);
  const second = await listenPlugin(stale, driver, quiet);
  await second.close();
  expect(existsSync(stale)).toBe(false);
});
