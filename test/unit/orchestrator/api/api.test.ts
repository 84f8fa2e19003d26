import type { ControllerStatus } from '../../../../controller/protocol/status.ts';
import type { VolumeUpdate } from '../../../../orchestrator/model/update.ts';
import { type RawAnswer, type RawOptions, rawCall } from '../support/raw-call.ts';
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
    target: { name: 'iqn', portal: '127.0.1.1:3260', sessions, chap: 'none' },
    copies: [
      { replicaId: 'r1', node: 'node1', state: 'in-sync', isConnected: true, isPrimary: true },
    ],
    lz4: 'liblz4',
  };
}

function call(method: string, path: string, options: RawOptions = {}): Promise<RawAnswer> {
  return rawCall(method, `${world.api.url}${path}`, options);
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

  test('S35 changes a live volume by labels, and finds it as asked for when asked again', async () => {
    const name = { namespace: 'default', name: 'live' };
    await world.client.createVolume({
      ...name,
      labels: { 'storageos.com/replicas': '0', env: 'a' },
    });
    const update = {
      labelsAdd: { 'storageos.feature.replicas': '1', 'keelson.io/failure-mode': 'hard', env: 'b' },
      labelsRemove: [],
    };
    for (let count = 0; count < 2; count += 1) {
      expect(await world.client.updateVolume(name, update)).toMatchObject({
        ...{ replicas: 1, failureMode: 'hard', labels: update.labelsAdd },
      });
    }
    await world.waitForEvent(/^copy r2 on node\d added \(syncing\)$/);
    const messages = world.events.since(0).filter(({ volume }) => volume === 'default/live');
    const updates = messages.map(({ message }) => message).filter((text) => / changed /.test(text));
    expect(updates).toEqual([
      'replicas changed from 0 to 1',
      'failure mode changed from soft to hard',
      'failure tolerance changed from 0 to 1',
      'labels changed from env=a to env=b',
    ]);
    const back = { labelsAdd: {}, labelsRemove: ['storageos.feature.replicas', 'not there'] };
    expect(await world.client.updateVolume(name, back)).toMatchObject({ replicas: 0 });
    await world.client.deleteVolume(name, { isForced: true });
  });

  test.each<[object, string, string]>([
    [{ labelsAdd: { 'keelson.io/replicas': '6' } }, 'INVALID_ARGUMENT', 'from 0 to 5, got "6"'],
    [{ labelsAdd: { 'keelson.io/replica': '1' } }, 'INVALID_ARGUMENT', 'replica: not known'],
    [
      { labelsAdd: { 'keelson.io/replicas': '1', 'storageos.com/replicas': '2' } },
      'INVALID_ARGUMENT',
      'disagree',
    ],
    [
      { labelsAdd: { env: 'a' }, labelsRemove: ['env'] },
      'INVALID_ARGUMENT',
      'to add and to remove',
    ],
    [{ labels: { env: 'a' } }, 'INVALID_ARGUMENT', 'expected labelsAdd, labelsRemove, size, chap'],
    [
      { labelsAdd: { 'keelson.io/replicas': '3' } },
      'FAILED_PRECONDITION',
      'limited by the number of nodes, expected at least 4, got 3',
    ],
  ])('an update by %j changes nothing and says why', async (update, code, reason) => {
    const before = world.installation.registry.require('default/demo');
    await expect(world.client.updateVolume(demo, update as VolumeUpdate)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(reason),
    });
    expect(world.installation.registry.require('default/demo')).toBe(before);
  });

  test('keeps new copies off a cordoned node', async () => {
    expect(await world.client.changeNode('node3', { isCordoned: true })).toMatchObject({
      isCordoned: true,
    });
    const wish = { namespace: 'default', name: 'cordoned', labels: { 'keelson.io/replicas': '2' } };
    await expect(world.client.createVolume(wish)).rejects.toThrow(/got 2, node3 is cordoned/);
    expect((await world.client.changeNode('node3', { isCordoned: false })).isCordoned).toBe(false);
    await expect(world.client.changeNode('node9', { isCordoned: true })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('merges in what the controller says', async () => {
    world.status = statusWith(1);
    const [volume] = await world.client.volumes({ namespace: 'default' });
    expect(volume).toMatchObject({ health: 'degraded', controller: { sessions: 1 } });
    expect(volume?.copies.map(({ isPrimary }) => isPrimary)).toEqual([true, false, false]);
    expect(await world.client.volumes({ namespace: 'other' })).toEqual([]);
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
      for await (const event of world.client.events({}, ended.signal)) {
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
    ['PATCH', '/v1/nodes/node1', { body: '{"isCordoned":1}' }, 400, 'expected true or false'],
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
      ...{ leaving: [], goneInstances: [] },
    });
  });

  describe('asked for what comes after a revision', () => {
    const revision = () => world.installation.registry.require('default/demo').revision;
    const askAfter = (after: number | string) =>
      call('GET', `${path}?after=${after}`, { headers: secretOf('default/demo') });

    test('answers at once when there is a later one', async () => {
      const answer = await askAfter(revision() - 1);
      expect(JSON.parse(answer.body)).toMatchObject({ revision: revision() });
    });

    test('answers as soon as anything changes', async () => {
      const known = revision();
      const answers = [askAfter(known), askAfter(known)];
      // Nobody tells when a question has arrived; a later one of the same kind shows it.
      await askAfter(known - 1);
      await world.installation.registry.addGoneInstance('default/demo', 'i0');
      for (const answer of await Promise.all(answers)) {
        expect(JSON.parse(answer.body)).toMatchObject({
          revision: known + 1,
          goneInstances: expect.arrayContaining(['i0']),
        });
      }
    });

    test('refuses what is no revision', async () => {
      expect((await askAfter('x')).body).toContain('query after: expected a whole number, got');
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
