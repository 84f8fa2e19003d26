import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, exitOf, type Finished, run, runOk } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { type Keelson, NODE, ROOT, startKeelson } from '../support/keelson.ts';

const GIB = 1024 ** 3;
const IMAGE = 'kdriver-empty';
/** Whatever the machine has, this driver finds neither an initiator in the kernel nor a module of one. */
const WITHOUT_ISCSI =
  'for f in /sys /lib/modules; do [ ! -d $f ] || mount -t tmpfs none $f || exit; done; exec "$@"';

let dockerd: Dockerd;
let keelson: Keelson;
let directory: string;
let driver: ChildProcess;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-driver-'));
  dockerd = await startDockerd();
  keelson = await startKeelson({ isEmpty: true });
  driver = await startDriver();
  mkdirSync(join(directory, 'root'));
  await runOk('tar', ['-cf', join(directory, 'root.tar'), '-C', join(directory, 'root'), '.']);
  await dockerOk('import', join(directory, 'root.tar'), IMAGE);
});
afterAll(async () => {
  driver?.kill('SIGKILL');
  await keelson?.stop();
  await dockerd?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('S34 N8 N9 docker volume create makes the volume and prints its name', async () => {
  const words =
    'volume create --driver keelson --opt size=15 --opt storageos.feature.replicas=2 volume-name';
  expect(await docker(...words.split(' '))).toEqual({
    ...{ code: 0, stdout: 'volume-name\n', stderr: '' },
  });
  const volume = await eventually('it is healthy', async () => {
    const view = await keelson.api.volume({ namespace: 'default', name: 'volume-name' });
    return view.health === 'healthy' ? view : undefined;
  });
  expect(volume).toMatchObject({ sizeBytes: 15 * GIB, replicas: 2 });
  expect(volume.copies).toHaveLength(3);
});

test('S34 docker volume ls and inspect show it', async () => {
  const format = '{{.Driver}} {{.Name}} {{.Scope}}';
  expect(await dockerOk('volume', 'ls', '--format', format)).toBe('keelson volume-name global\n');
  const [inspected] = JSON.parse(await dockerOk('volume', 'inspect', 'volume-name'));
  expect(inspected).toMatchObject({
    ...{ Driver: 'keelson', Name: 'volume-name', Scope: 'global', Mountpoint: '' },
    Status: { volume: 'default/volume-name', size: '15GiB', replicas: 2, health: 'healthy' },
  });
});

test('S34 a creation that is repeated changes nothing', async () => {
  const before = await keelson.api.volumes();
  expect(await create('volume-name', 'size=15', 'storageos.feature.replicas=2')).toMatchObject({
    ...{ code: 0, stdout: 'volume-name\n' },
  });
  expect((await keelson.api.volumes()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
});

test('S34 docker run is refused in one clear sentence on a host without an iSCSI kernel', async () => {
  for (const use of [
    ['-v', 'volume-name:/data'],
    ['--mount', 'type=volume,volume-driver=keelson,source=volume-name,destination=/data'],
  ]) {
    const { code, stderr } = await docker('run', '--rm', '--network=none', ...use, IMAGE, '/none');
    expect(stderr).toMatch(
      /mount volume default\/volume-name: this host's kernel is no iSCSI initiator: it has no module iscsi_tcp; /,
    );
    expect(code).toBe(125);
  }
  expect(readdirSync(join(directory, 'state/volumes'))).toEqual([]);
  expect(readdirSync(join(directory, 'state/mounts'))).toEqual([]);
  expect(await dockerOk('ps', '--all', '--quiet')).toBe('');
  const { controller } = await keelson.api.volume({ namespace: 'default', name: 'volume-name' });
  expect(controller.sessions).toBe(0);
});

test.each([
  ['a name of Compose', 'project_db', [], /volume name "project_db": expected NAME, .*Compose/],
  ['a size that is none', 'bad', ['size=15GB'], /size "15GB": expected a number of GiB/],
  ['too many replicas', 'bad', ['storageos.com/replicas=6'], /label storageos\.com\/replicas/],
  ['a label that nobody knows', 'bad', ['keelson.io/copies=2'], /label keelson\.io\/copies/],
  [
    'labels that disagree',
    'bad',
    ['storageos.com/replicas=1', 'keelson.io/replicas=2'],
    /disagree/,
  ],
  [
    'a replica count without its family',
    'bad',
    ['replicas=2'],
    /did you mean keelson\.io\/replicas=2/,
  ],
  ['an unknown file system', 'bad', ['fs=zfs'], /option fs: expected ext4 or xfs/],
  ['a namespace beside the name', 'bad', ['namespace=prod'], /named prod\.bad/],
])('%s is refused, and nothing is made', async (_, name, options, reason) => {
  const { code, stdout, stderr } = await create(name, ...options);
  expect(stderr).toMatch(reason);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect([code, stdout]).toEqual([1, '']);
  expect(await dockerOk('volume', 'ls', '--quiet')).toBe('volume-name\n');
});

test('S34 S30 N10 options, namespaces and defaults of the driver reach the volume', async () => {
  expect(await create('prod.db', 'size=1', 'fs=xfs', 'env=prod')).toMatchObject({ code: 0 });
  const volume = await keelson.api.volume({ namespace: 'prod', name: 'db' });
  expect(volume).toMatchObject({
    failureMode: 'hard',
    labels: { env: 'prod', 'docker.keelson.io/fs': 'xfs' },
    defaults: { 'storageos.com/failure.mode': 'hard' },
  });
  const own = await create('own', 'size=1', 'keelson.io/failure-mode=alwayson');
  expect(own.code).toBe(0);
  const { failureMode } = await keelson.api.volume({ namespace: 'default', name: 'own' });
  expect(failureMode).toBe('alwayson');
});

test('S34 volumes that were made elsewhere are there for Docker, too', async () => {
  await keelson.makeVolume('elsewhere', { size: '1', replicas: 0 });
  const names = (await dockerOk('volume', 'ls', '--quiet')).trim().split('\n').sort();
  expect(names).toEqual(['elsewhere', 'own', 'prod.db', 'volume-name']);
});

test('S34 volumes are there after the driver and the engine were killed', async () => {
  driver.kill('SIGKILL');
  await exitOf(driver);
  driver = await startDriver();
  expect(await dockerOk('volume', 'inspect', '-f', '{{.Status.size}}', 'own')).toBe('1GiB\n');
  await dockerd.kill9();
  await dockerd.start();
  expect(await dockerOk('volume', 'ls', '--quiet')).toContain('volume-name\n');
});

test('S34 docker volume rm erases the volume and prints its name', async () => {
  for (const name of ['volume-name', 'elsewhere', 'own', 'prod.db']) {
    expect(await dockerOk('volume', 'rm', name)).toBe(`${name}\n`);
  }
  expect(await keelson.api.volumes()).toEqual([]);
  expect((await docker('volume', 'rm', 'volume-name')).stderr).toMatch(/volume-name/);
});

test('a second driver on the same socket, or the same directory, says so and ends', async () => {
  const second = await run(NODE, driverWords(), { cwd: ROOT });
  expect(second.stderr).toMatch(/^keelson docker-driver: start on .*another driver runs on this/);
  const words = driverWords('--state-dir', join(directory, 'other'));
  const third = await run(NODE, words, { cwd: ROOT });
  expect(third.stderr).toMatch(/^keelson docker-driver: listen on .*another driver answers there/);
  expect([second.code, third.code]).toEqual([1, 1]);
});

test('an orchestrator that is not there is named in one sentence', async () => {
  driver.kill('SIGTERM');
  expect(await exitOf(driver)).toBe(0);
  expect(existsSync(socketPath())).toBe(false);
  driver = await startDriver('--api', 'http://127.0.0.1:5799');
  const { stderr } = await create('nowhere');
  expect(stderr).toMatch(/no orchestrator answers at http:\/\/127\.0\.0\.1:5799/);
});

/** As a person at a terminal. */
function docker(...words: readonly string[]): Promise<Finished> {
  const environment = { DOCKER_HOST: `unix://${dockerd.socketPath}` };
  return run('docker', words, { environment, timeoutMs: 120_000 });
}

async function dockerOk(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await docker(...words);
  if (code !== 0) throw new Error(`docker ${words.join(' ')}: ${stderr}`);
  return stdout;
}

function create(name: string, ...options: readonly string[]): Promise<Finished> {
  const words = options.flatMap((option) => ['--opt', option]);
  return docker('volume', 'create', '--driver', 'keelson', ...words, name);
}

function socketPath(): string {
  return join(dockerd.pluginDirectory, 'keelson.sock');
}

function driverWords(...more: readonly string[]): string[] {
  const places = ['--socket', socketPath(), '--state-dir', join(directory, 'state')];
  const defaults = ['--default', 'storageos.com/failure.mode=hard'];
  return ['orchestrator/docker-driver/main.ts', ...places, ...defaults, ...more];
}

async function startDriver(...more: readonly string[]): Promise<ChildProcess> {
  const words = ['--mount', 'sh', '-c', WITHOUT_ISCSI, 'sh', NODE, ...driverWords(...more)];
  const child = spawn('unshare', words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await eventually('the driver is ready', () => (printed.startsWith('ready: ') ? true : undefined));
  return child;
}
