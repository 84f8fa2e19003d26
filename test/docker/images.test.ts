import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type Docker from 'dockerode';
import { ROLES } from '../../images/bundle.ts';
import { currentVersion, type Images } from '../../images/images.ts';
import { makeSubject, type Subject } from '../../images/subject.ts';
import { eventually } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { execIn, textOf } from '../support/dockerd-exec.ts';
import { imagesFor } from '../support/dockerd-images.ts';

const NODE_IN_IMAGE = '/usr/local/bin/node';
const UNPRIVILEGED = '65532:65532';
/** Docker kills after 10 s. */
const STOP_LIMIT_MS = 2_000;

let dockerd: Dockerd;
let images: Images;

beforeAll(async () => {
  dockerd = await startDockerd();
  images = await imagesFor(dockerd.engine);
});
afterAll(() => dockerd?.stop());

describe.each(ROLES)('the image of the %s', (role) => {
  const user = role === 'orchestrator' ? '' : UNPRIVILEGED;

  test('says what it is, and runs as the user that its role allows', async () => {
    const { Config: config, Size: bytes } = await dockerd.engine.getImage(images[role]).inspect();
    process.stderr.write(`${images[role]}: ${(bytes / 1e6).toFixed(0)} MB\n`);
    expect(config).toMatchObject({ User: user, StopSignal: 'SIGTERM' });
    const label = (name: string) => config.Labels?.[`org.opencontainers.image.${name}`];
    expect(label('title')).toBe(`Keelson ${role}`);
    expect(label('version')).toBe(currentVersion());
    expect(label('licenses')).toBe('Apache-2.0');
    for (const name of ['description', 'revision', 'source']) expect(label(name)).toBeDefined();
    expect(label('description')).not.toBe('');
    const words = ['-p', "process.getuid() + ':' + process.getgid()"];
    const { code, output } = await runToEnd({ Image: images[role], ...program(words) });
    expect({ code, output }).toEqual({ code: 0, output: `${user === '' ? '0:0' : user}\n` });
  });

  test('has no shell and nothing but what it runs', async () => {
    const shell = { Image: images[role], Entrypoint: ['/bin/sh'], Cmd: ['-c', 'true'] };
    await expect(runToEnd(shell)).rejects.toThrow(/\/bin\/sh.*no such file/);
    const files = await filesOf(images[role]);
    const programs = files.filter((path) => /^(usr\/)?(local\/)?s?bin\/./.test(path));
    const command = role === 'orchestrator' ? ['usr/local/bin/keelson'] : [];
    expect(programs.filter((path) => !path.endsWith('/')).sort()).toEqual(
      [...command, 'usr/bin/sleep', 'usr/local/bin/node'].sort(),
    );
    const ours = files.filter((path) => /^keelson\/[^/]+$/.test(path)).sort();
    const bundles = [`keelson/${role}.cjs`, 'keelson/healthcheck.cjs'];
    expect(ours).toEqual([...bundles, ...command.map(() => 'keelson/keelson.mjs')].sort());
    expect(files.filter((path) => /node_modules|\.ts$/.test(path))).toEqual([]);
  });

  test('refuses a wrong option in one sentence with exit code 2', async () => {
    const { code, output } = await runToEnd({ Image: images[role], Cmd: ['--no-such-option'] });
    expect(output).toMatch(/^[^\n]*--no-such-option[^\n]*\n$/);
    expect(code).toBe(2);
  });

  test('serves with a read-only file system and no rights, is found healthy, and stops when told', async () => {
    const subject = await makeSubject(dockerd.engine, images, role, {
      Healthcheck: { Interval: 1e8 }, // 0.1 s; what it asks is the image's own
    });
    try {
      await subject.container.start();
      await subject.says('up');
      await eventually('it is healthy', async () => {
        const { State: state } = await subject.container.inspect();
        return state.Health?.Status === 'healthy' ? true : undefined;
      });
      expect(await stop(subject)).toEqual({ code: 0, isInTime: true });
    } finally {
      await subject.remove();
    }
  });
});

test('a health check that nobody answers makes a container unhealthy and says why', async () => {
  const subject = await makeSubject(dockerd.engine, images, 'replica', {
    Env: [`KEELSON_VOLUME_SECRET=${'ab'.repeat(32)}`, 'KEELSON_HEALTH_ADDRESS=127.0.0.1:1'],
    Healthcheck: { Interval: 1e8, Retries: 1 },
  });
  try {
    await subject.container.start();
    const said = await eventually('it is unhealthy', async () => {
      const { State: state } = await subject.container.inspect();
      return state.Health?.Status === 'unhealthy' ? state.Health.Log?.at(-1)?.Output : undefined;
    });
    expect(said).toMatch(/^http:\/\/127\.0\.0\.1:1\/healthz: [^\n]+\n$/);
  } finally {
    await subject.remove();
  }
});

test('a controller that still waits for its registry stops when told', async () => {
  const gateway = '10.213.255.1';
  const network = await dockerd.engine.createNetwork({
    Name: 'registry',
    IPAM: { Driver: 'default', Config: [{ Subnet: '10.213.255.0/24', Gateway: gateway }] },
  });
  const silent = createServer().listen(0, gateway);
  await once(silent, 'listening');
  const registry = `http://${gateway}:${(silent.address() as AddressInfo).port}`;
  const words = ['--volume', 'default/a', '--instance-id', 'a', '--listen', '127.0.0.1'];
  const container = await dockerd.engine.createContainer({
    ...{ Image: images.controller, Cmd: [...words, '--registry', registry] },
    Env: [`KEELSON_VOLUME_SECRET=${'ab'.repeat(32)}`],
    HostConfig: { NetworkMode: network.id },
  });
  const isAsked = once(silent, 'connection');
  await container.start();
  await isAsked;
  expect(await stop({ container })).toEqual({ code: 0, isInTime: true });
  silent.close();
});

test('the orchestrator carries the command line, which needs no shell', async () => {
  const subject = await makeSubject(dockerd.engine, images, 'orchestrator');
  try {
    await subject.container.start();
    await subject.says('up');
    const { code, output } = await execIn(subject.container, [
      'keelson',
      'node',
      'ls',
      '-o',
      'json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(output)).toHaveLength(3);
  } finally {
    await subject.remove();
  }
});

function program(words: readonly string[]) {
  return { Entrypoint: [NODE_IN_IMAGE], Cmd: [...words] };
}

async function runToEnd(options: Docker.ContainerCreateOptions) {
  const container = await dockerd.engine.createContainer({
    ...{ HostConfig: { NetworkMode: 'none' }, Tty: true, ...options },
  });
  try {
    await container.start();
    const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
    const output = await container.logs({ stdout: true, stderr: true });
    return { code, output: output.toString().replaceAll('\r\n', '\n') };
  } finally {
    await container.remove({ force: true });
  }
}

async function stop({ container }: Pick<Subject, 'container'>) {
  const began = performance.now();
  await container.stop();
  const isInTime = performance.now() - began < STOP_LIMIT_MS;
  const { State: state } = await container.inspect();
  return { code: state.ExitCode, isInTime };
}

/** Paths from the root, without a slash at the front. */
async function filesOf(image: string): Promise<string[]> {
  const container = await dockerd.engine.createContainer({ Image: image });
  try {
    const tar = spawn('tar', ['-t'], { stdio: ['pipe', 'pipe', 'inherit'] });
    (await container.export()).pipe(tar.stdin);
    return (await textOf(tar.stdout)).trim().split('\n');
  } finally {
    await container.remove({ force: true });
  }
}
