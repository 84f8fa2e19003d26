import { request } from 'node:http';
import type { ControllerStatus } from '../../../../controller/protocol/status.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

const demo = { namespace: 'default', name: 'demo' };
const labels = { 'storageos.com/replicas': '2', env: 'prod' };

function statusWith(sessions: number): ControllerStatus {
  return {
    volume: 'default/demo',
    instanceId: 'i1',
    epoch: 1,
    generation: 1,
    health: 'degraded',
    target: { name: 'iqn', portal: '127.0.1.1:3260', sessions },
    copies: [
      { replicaId: 'r1', node: 'node1', state: 'in-sync', isConnected: true, isPrimary: true },
    ],
    lz4: 'liblz4',
  };
}

/** A raw request, because fetch allows neither a Host nor an Origin of one's own. */
function call(
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${world.api.url}${path}`, { method, headers: options.headers });
    outgoing.on('error', reject).on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.end(options.body);
  });
}

function secretOf(address: string): Record<string, string> {
  return { authorization: `Bearer ${world.installation.registry.require(address).secret}` };
}

describe('the API', () => {
  test('S6 creates a volume once, and finds the same one when asked again', async () => {
    const created = await world.client.createVolume({ ...demo, size: '1Gi', labels });
    expect(created).toMatchObject({
      replicas: 2,
      failureMode: 'soft',
      failureTolerance: 1,
      portal: '127.0.1.1:3260',
      targetName: 'iqn.2026-11.io.keelson:default.demo',
      health: 'unavailable',
      controller: { process: 'ready', sessions: null },
    });
    expect(created.copies.map(({ node }) => node)).toEqual(['node1', 'node2', 'node3']);
    expect(await world.client.createVolume({ ...demo, labels })).toMatchObject({ id: created.id });
    expect(JSON.stringify(created)).not.toContain(
      world.installation.registry.require('default/demo').secret,
    );
  });

  test('says what differs when another volume of that name exists', async () => {
    await expect(
      world.client.createVolume({ ...demo, size: '2Gi', labels: { env: 'test' } }),
    ).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      message: expect.stringMatching(/size is 1GiB .* asked for 2GiB .*replicas is 2, asked for 0/),
    });
  });

  test('N7 creates nothing when a label is wrong', async () => {
    const wish = { namespace: 'default', name: 'bad', labels: { 'storageos.com/replicas': '6' } };
    await expect(world.client.createVolume(wish)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('label storageos.com/replicas'),
    });
    await expect(world.client.volume(wish)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('merges in what the controller says', async () => {
    world.status = statusWith(1);
    const [volume] = await world.client.volumes('default');
    expect(volume).toMatchObject({ health: 'degraded', controller: { sessions: 1 } });
    expect(volume?.copies.map(({ isPrimary }) => isPrimary)).toEqual([true, false, false]);
    expect(await world.client.volumes('other')).toEqual([]);
  });

  test('lists nodes with the copies they hold', async () => {
    const nodes = await world.client.nodes();
    expect(nodes.map(({ name, address, copyCount }) => [name, address, copyCount])).toEqual([
      ['node1', '127.0.0.11', 1],
      ['node2', '127.0.0.12', 1],
      ['node3', '127.0.0.13', 1],
    ]);
  });

  test('streams state changes as they happen', async () => {
    const ended = new AbortController();
    // Others may come first: the processes of this volume are still starting.
    const heard = (async () => {
      for await (const event of world.client.events(ended.signal)) {
        if (event.message === 'something') return event;
      }
      return undefined;
    })();
    const timer = setInterval(() => world.events.add('default/demo', 'something'), 10);
    try {
      expect(await heard).toMatchObject({ volume: 'default/demo', message: 'something' });
    } finally {
      clearInterval(timer);
      ended.abort();
    }
  });

  test('refuses to delete a volume while initiators are logged in, unless forced', async () => {
    const name = { namespace: 'team', name: 'gone' };
    await world.client.createVolume({ ...name, labels: {} });
    const refusal = (isForced: boolean) => world.client.deleteVolume(name, { isForced });
    world.status = statusWith(1);
    await expect(refusal(false)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    world.status = undefined;
    await expect(refusal(false)).rejects.toThrow(/does not say whether initiators are logged in/);
    await refusal(true);
    await expect(world.client.volume(name)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(refusal(true)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test.each([
    ['GET', '/v1/nothing', {}, 404, 'NOT_FOUND'],
    ['PUT', '/v1/volumes', {}, 404, 'NOT_FOUND'],
    ['GET', '/v1/volumes?namespac=a', {}, 400, 'query namespac'],
    ['GET', '/v1/volumes', { headers: { host: 'evil.example:5705' } }, 400, 'Host'],
    ['GET', '/v1/volumes', { headers: { origin: 'http://evil.example' } }, 401, 'web sites'],
    ['POST', '/v1/volumes', { body: '{' }, 400, 'expected JSON'],
    ['POST', '/v1/volumes', { body: '{"name":"a","x":1}' }, 400, 'not known'],
    ['POST', '/v1/volumes', { body: Buffer.alloc(1024 ** 2 + 1) }, 413, 'TOO_LARGE'],
    ['GET', '/v1/registry/default/demo', {}, 401, 'UNAUTHENTICATED'],
    ['GET', '/v1/registry/default/none', {}, 404, 'NOT_FOUND'],
  ])('answers %s %s (%j) with %i', async (method, path, options, status, text) => {
    const answer = await call(method, path, options);
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(text);
  });
});

describe('the registry over HTTP', () => {
  const path = '/v1/registry/default/demo';

  test('gives a controller that knows the secret its registration', async () => {
    const answer = await call('GET', path, { headers: secretOf('default/demo') });
    expect(JSON.parse(answer.body)).toMatchObject({
      volume: { namespace: 'default', name: 'demo', replicas: 2 },
      membership: { version: 1, epoch: 0 },
      addresses: { r1: { host: '127.0.0.11', port: 5703 }, r3: { host: '127.0.0.13' } },
    });
  });

  test('swaps once per version, tells it in words, and answers the loser with the record', async () => {
    const headers = secretOf('default/demo');
    const { membership } = JSON.parse((await call('GET', path, { headers })).body);
    const controller = { instanceId: 'i1', address: '127.0.1.1:3260' };
    const next = { ...membership, version: 2, epoch: 1, generation: 1, controller };
    const put = () => call('PUT', `${path}/membership`, { headers, body: JSON.stringify(next) });
    const won = await put();
    expect([won.status, JSON.parse(won.body)]).toEqual([200, next]);
    const lost = await put();
    expect(lost.status).toBe(409);
    expect(JSON.parse(lost.body)).toMatchObject({ error: { code: 'CONFLICT' }, membership: next });
    await world.waitForEvent(/^controller started \(epoch 1\)$/);
  });
});
