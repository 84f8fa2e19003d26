import { listenApi } from '../../../../orchestrator/api/server.ts';
import type { Leadership } from '../../../../orchestrator/platforms/platform-kind.ts';
import { rawCall } from '../support/raw-call.ts';
import { TOKEN, World } from '../support/world.ts';

const NOBODY = { info: () => undefined, warn: () => undefined, error: () => undefined };
const never = new Promise<never>(() => undefined);

/** Another one leads, or nobody. */
function follower(leader: string | undefined): Leadership {
  return { gained: never, isGained: false, lost: never, leader };
}

let world: World | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

async function statusOf(path: string, headers = {}): Promise<number> {
  return (await rawCall('GET', `${world?.api.url}${path}`, { headers })).status;
}

test('an orchestrator that follows serves the registry, and says who leads to everybody else', async () => {
  world = await World.start({ isSurveying: true, leadership: follower('pod keelson-1') });
  const { installation, client } = world;
  const request = { namespace: 'default', name: 'db', sizeBytes: 1024 ** 3 };
  await installation.create({ ...request, labels: {}, defaults: {}, chap: null });
  await expect(client.volumes()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('ask pod keelson-1'),
  });
  // By the same connection the same one would be asked again.
  const { headers } = await rawCall('GET', `${world.api.url}/v1/volumes`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  expect(headers.connection).toBe('close');
  const { secret } = installation.registry.require('default/db');
  const shown = { authorization: `Bearer ${secret}` };
  expect(await statusOf('/v1/registry/default/db', shown)).toBe(200);
  expect(await statusOf('/v1/registry/default/db')).toBe(401);
  expect([await statusOf('/healthz'), await statusOf('/readyz')]).toEqual([200, 200]);
});

test('whoever has just begun to lead sends nobody to itself', async () => {
  const leadership = { ...follower('pod keelson-0'), isGained: true };
  world = await World.start({ isSurveying: true, leadership });
  await expect(world.client.volumes()).rejects.toThrow('the orchestrator starts');
});

test('while nobody leads, users are told to come back', async () => {
  world = await World.start({ isSurveying: true, leadership: follower(undefined) });
  await expect(world.client.volumes()).rejects.toThrow('the orchestrator starts');
});

test('an orchestrator without another one is not ready before it has looked around', async () => {
  world = await World.start({ isSurveying: true });
  expect([await statusOf('/healthz'), await statusOf('/readyz')]).toEqual([200, 503]);
  world.installation.start();
  expect(await statusOf('/readyz')).toBe(200);
});

test('an API that has nothing to serve yet is alive, not ready, and tells nothing', async () => {
  const where = { host: '127.0.0.1', port: 0, isTokenRequired: true };
  const { url, close } = await listenApi(where, NOBODY);
  const paths = ['/healthz', '/readyz', '/v1/volumes', '/v1/registry/default/db', '/none'];
  const answers = await Promise.all(paths.map((path) => rawCall('GET', `${url}${path}`)));
  expect(answers.map(({ status }) => status)).toEqual([200, 503, 503, 503, 503]);
  await close();
});
