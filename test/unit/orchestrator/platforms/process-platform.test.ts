import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.start();
});
afterEach(() => world.stop());

const REPLICA = 'replica r1 on node1';

test('B1 a controller that is killed is started again at once', async () => {
  await world.client.createVolume({ namespace: 'default', name: 'demo', labels: {} });
  const pid = await world.pidOf('controller');
  const before = world.events.lastSequence;
  process.kill(pid, 'SIGKILL');
  const killedAtMs = performance.now();
  const nextPid = await world.pidOf('controller', before);
  expect(performance.now() - killedAtMs).toBeLessThan(1_000);
  expect(nextPid).not.toBe(pid);
  const messages = world.events.since(before).map(({ message }) => message);
  expect(messages).toContain('controller exited (signal SIGKILL), restarting');
});

test('S52 a replica that is killed is started again on its own node', async () => {
  await world.client.createVolume({ namespace: 'default', name: 'demo', labels: {} });
  const pid = await world.pidOf(REPLICA);
  const before = world.events.lastSequence;
  process.kill(pid, 'SIGKILL');
  await world.waitForEvent(/^replica r1 on node1 exited \(signal SIGKILL\), restarting$/, before);
  await world.pidOf(REPLICA, before);
});

test("CHAP credentials in the orchestrator's environment are not passed on to its processes", async () => {
  process.env.KEELSON_CHAP_SECRET = 'open-sesame-1';
  try {
    await world.client.createVolume({ namespace: 'default', name: 'demo', labels: {} });
    for (const what of ['controller', REPLICA]) {
      const environment = readFileSync(`/proc/${await world.pidOf(what)}/environ`, 'utf8');
      expect(environment).toContain('KEELSON_VOLUME_SECRET=');
      expect(environment).not.toContain('KEELSON_CHAP');
    }
  } finally {
    delete process.env.KEELSON_CHAP_SECRET;
  }
});

test('a process that cannot start is tried ever more slowly, with its reason told', async () => {
  const { registry } = world.installation;
  await world.installation.create({
    namespace: 'default',
    name: 'broken',
    sizeBytes: 1024 ** 2,
    ...{ labels: {}, defaults: {}, chap: null },
  });
  const reason = 'code 1: listen on 127.0.1.1:3260: the port is in use';
  await world.waitForEvent(new RegExp(`controller exited \\(${reason}\\), restarting$`));
  await world.waitForEvent(/controller exited .* restarting in 100 ms/);
  await world.waitForEvent(/controller exited .* restarting in 200 ms/);
  expect(registry.get('default/broken')?.isDeleting).toBe(false);
});

test('everything stops in order, controllers before replicas, when the orchestrator does', async () => {
  const labels = { 'keelson.io/replicas': '2' };
  await world.client.createVolume({ namespace: 'default', name: 'demo', labels });
  const pids = [await world.pidOf('controller'), await world.pidOf(REPLICA)];
  await world.stop({ keepsData: true });
  const stopped = world.events
    .since(0)
    .map(({ message }) => message)
    .filter((message) => message.endsWith('stopped'));
  expect(stopped[0]).toBe('controller stopped');
  expect(stopped).toHaveLength(4);
  expect(pids.map(isAlive)).toEqual([false, false]);
  world = await World.start({ root: world.root });
  await world.pidOf('controller'); // the volume is found and started again
});

test('logs are kept per process and hold no secret', async () => {
  await world.client.createVolume({ namespace: 'default', name: 'demo', labels: {} });
  const names = readdirSync(join(world.root, 'logs'));
  expect(names.sort()).toEqual(['default.demo-controller.log', 'default.demo-r1.log']);
  const secret = world.installation.registry.require('default/demo').secret;
  for (const name of names) {
    expect(readFileSync(join(world.root, 'logs', name), 'utf8')).not.toContain(secret);
  }
});
