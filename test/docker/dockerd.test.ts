import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { eventually } from '../support/child.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { imagesFor } from '../support/dockerd-images.ts';

/** The tests of containers are only worth what their engines are. */
const SLEEP_FOREVER = ['/usr/local/bin/node', '-e', 'setInterval(() => {}, 1e6)'];

let near: Dockerd;
let far: Dockerd;
let image: string;

beforeAll(async () => {
  [near, far] = await Promise.all([startDockerd(), startDockerd({ host: 1, tls: true })]);
  ({ replica: image } = await imagesFor(near.engine));
  await imagesFor(far.engine);
});
afterAll(async () => {
  await near?.stop();
  await far?.stop();
});

test('containers live on while their engine is killed, and it finds them again', async () => {
  const container = await near.engine.createContainer({
    ...{ Image: image, Entrypoint: SLEEP_FOREVER, Cmd: [] },
    HostConfig: { NetworkMode: 'none' },
  });
  await container.start();
  const { State: before } = await container.inspect();
  for (const end of [near.kill9, near.terminate]) {
    await end();
    await expect(near.engine.ping()).rejects.toThrow();
    expect(await near.inside('cat', [`/proc/${before.Pid}/cmdline`])).toContain('setInterval');
    await near.start();
    const { State: after } = await container.inspect();
    expect(after).toMatchObject({ Running: true, Pid: before.Pid, StartedAt: before.StartedAt });
  }
  await container.remove({ force: true });
});

test('an engine on a host of its own answers over TLS, but only who has its certificate', async () => {
  const { hostname: host, port } = new URL(far.tcp?.url ?? '');
  const read = (name: string) => readFileSync(join(far.tcp?.certificates ?? '', name));
  const place = { protocol: 'https', host, port } as const;
  const authority = { ...place, ca: read('ca.pem') };
  const client = new Docker({ ...authority, cert: read('cert.pem'), key: read('key.pem') });
  expect((await client.info()).ID).toBe((await far.engine.info()).ID);
  expect((await client.info()).ID).not.toBe((await near.engine.info()).ID);
  await expect(new Docker(authority).info()).rejects.toThrow(/certificate/);
});

test('ports that containers publish are reached at the address of their host', async () => {
  const network = await far.engine.createNetwork({ Name: 'published' });
  const answer = `require('node:http').createServer((q, r) => r.end('here')).listen(80)`;
  const container = await far.engine.createContainer({
    ...{ Image: image, Entrypoint: ['/usr/local/bin/node', '-e', answer], Cmd: [], User: '0' },
    ExposedPorts: { '80/tcp': {} },
    HostConfig: { NetworkMode: network.id, PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
  });
  await container.start();
  const text = await eventually('the container answers', async () =>
    (await fetch(`http://${far.address}:8080`)).text(),
  );
  expect(text).toBe('here');
});

test('nothing of an engine is left when it is stopped', async () => {
  const engine = await startDockerd({ host: 2 });
  const { directory, socketPath, pluginDirectory } = engine;
  writeFileSync(join(directory, 'file'), 'content');
  writeFileSync(join(pluginDirectory, 'plugin.spec'), 'unix:///run/plugin.sock');
  expect(await engine.inside('cat', [join(directory, 'file')])).toBe('content');
  expect(await engine.inside('ls', ['/run/docker/plugins'])).toBe('plugin.spec\n');
  await engine.stop();
  expect([directory, socketPath, pluginDirectory].filter((path) => existsSync(path))).toEqual([]);
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(directory);
});
