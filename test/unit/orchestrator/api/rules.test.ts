import type { Labels } from '../../../../orchestrator/model/labels.ts';
import type { RuleFields } from '../../../../orchestrator/model/rule.ts';
import type { VolumeView } from '../../../../orchestrator/model/view.ts';
import { World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.start();
});
afterEach(() => world.stop());

const NAMESPACE = 'default';

function rule(name: string, labels: Labels, rest: Partial<RuleFields> = {}): RuleFields {
  return { namespace: NAMESPACE, name, selector: '', action: 'add', labels, weight: 0, ...rest };
}

function create(name: string, labels: Labels = {}, namespace = NAMESPACE): Promise<VolumeView> {
  return world.client.createVolume({ namespace, name, labels });
}

function read(name: string, namespace = NAMESPACE): Promise<VolumeView> {
  return world.client.volume({ namespace, name });
}

function copyCountOf(name: string): number {
  const { membership } = world.installation.registry.require(`${NAMESPACE}/${name}`);
  return Object.keys(membership.copies).length;
}

/** What was said about a volume's policy since `sequence`. */
function changes(volume: string, sequence = 0): string[] {
  const events = world.events.since(sequence, { volume: `${NAMESPACE}/${volume}` });
  return events.map(({ message }) => message).filter((text) => text.includes(' changed from '));
}

test('S29 N10 a rule decides about the volumes of its namespace that it selects, at once, and says so', async () => {
  await create('prod', { env: 'prod' });
  await create('test', { env: 'test' });
  await create('prod', { env: 'prod' }, 'team');
  const wanted = rule('two', { 'storageos.com/replicas': '2' }, { selector: 'env==prod' });
  expect(await world.client.createRule(wanted)).toEqual({ ...wanted, volumes: ['default/prod'] });
  expect(await read('prod')).toMatchObject({
    ...{ replicas: 2, failureTolerance: 1, labels: { env: 'prod' } },
    origins: { replicas: 'rule default/two', failureTolerance: 'built in' },
  });
  await world.waitUntil(() => copyCountOf('prod') === 3);
  expect(await read('test')).toMatchObject({ replicas: 0, origins: { replicas: 'built in' } });
  expect(await read('prod', 'team')).toMatchObject({ replicas: 0 });
  expect(changes('prod')).toEqual([
    'replicas changed from 0 to 2 by rule default/two',
    'failure tolerance changed from 0 to 1',
  ]);
  // A volume that comes later, and one whose labels come to be selected.
  expect(await create('later', { env: 'prod' })).toMatchObject({ replicas: 2 });
  const update = { labelsAdd: { env: 'prod' }, labelsRemove: [] };
  expect(
    await world.client.updateVolume({ namespace: NAMESPACE, name: 'test' }, update),
  ).toMatchObject({
    replicas: 2,
    origins: { replicas: 'rule default/two' },
  });
  expect(changes('test')[0]).toBe('replicas changed from 0 to 2 by rule default/two');
  expect((await world.client.rule({ namespace: NAMESPACE, name: 'two' })).volumes).toEqual([
    'default/later',
    'default/prod',
    'default/test',
  ]);
});

test('N10 a label of the volume itself goes before every rule, until it is taken away', async () => {
  await world.client.createRule(rule('two', { 'keelson.io/replicas': '2' }));
  const name = { namespace: NAMESPACE, name: 'own' };
  expect(await create('own', { 'storageos.feature.replicas': '1' })).toMatchObject({
    replicas: 1,
    origins: { replicas: 'label storageos.feature.replicas' },
  });
  const without = { labelsAdd: {}, labelsRemove: ['storageos.feature.replicas'] };
  expect(await world.client.updateVolume(name, without)).toMatchObject({ replicas: 2 });
  const back = { labelsAdd: { 'keelson.io/replicas': '0' }, labelsRemove: [] };
  expect(await world.client.updateVolume(name, back)).toMatchObject({
    replicas: 0,
    origins: { replicas: 'label keelson.io/replicas' },
  });
  expect(changes('own')).toEqual([
    'replicas changed from 1 to 2 by rule default/two',
    'replicas changed from 2 to 0',
    'failure tolerance changed from 1 to 0',
  ]);
});

test('S29 a rule that is replaced or removed lets its volumes go back, and says why', async () => {
  await world.client.createVolume({
    ...{ namespace: NAMESPACE, name: 'a', labels: {} },
    defaults: { 'keelson.io/failure-mode': 'alwayson' },
  });
  await world.client.createRule(
    rule('strict', { 'keelson.io/failure-mode': 'hard', 'keelson.io/replicas': '1' }),
  );
  expect(await read('a')).toMatchObject({ failureMode: 'hard', replicas: 1 });
  const since = world.events.lastSequence;
  await world.client.putRule(rule('strict', { 'keelson.io/replicas': '2' }));
  await world.client.putRule(rule('strict', { 'keelson.io/replicas': '2' })); // nothing to change
  expect(await read('a')).toMatchObject({
    ...{ failureMode: 'alwayson', replicas: 2 },
    origins: { failureMode: 'defaults' },
  });
  await world.client.deleteRule({ namespace: NAMESPACE, name: 'strict' });
  expect(await read('a')).toMatchObject({ failureMode: 'alwayson', replicas: 0 });
  expect(changes('a', since)).toEqual([
    'replicas changed from 1 to 2 by rule default/strict',
    'failure mode changed from hard to alwayson, as rule default/strict does not apply any more',
    'replicas changed from 2 to 0, as rule default/strict does not apply any more',
    'failure tolerance changed from 1 to 0',
  ]);
  expect(await world.client.rules()).toEqual([]);
});

test('S29 a rule that says what is so anyway is known to have said it', async () => {
  await create('a');
  await world.client.createRule(rule('soft', { 'keelson.io/failure-mode': 'soft' }));
  expect(await read('a')).toMatchObject({
    failureMode: 'soft',
    origins: { failureMode: 'rule default/soft' },
  });
  expect(changes('a')).toEqual([]);
});

test('S30 defaults count where neither the volume nor a rule decides, and are remembered', async () => {
  const defaults = { 'storageos.com/replicas': '1', 'keelson.io/failure-mode': 'hard' };
  const wish = { namespace: NAMESPACE, name: 'a', labels: { 'keelson.io/failure-mode': 'soft' } };
  const created = await world.client.createVolume({ ...wish, defaults });
  expect(created).toMatchObject({
    ...{ replicas: 1, failureMode: 'soft', defaults },
    labels: { 'keelson.io/failure-mode': 'soft' },
    origins: { replicas: 'defaults', failureMode: 'label keelson.io/failure-mode' },
  });
  expect(await world.client.createVolume({ ...wish, defaults })).toMatchObject({ id: created.id });
  await expect(world.client.createVolume(wish)).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    message: expect.stringContaining('replicas is 1, asked for 0'),
  });
  await world.client.createRule(rule('two', { 'keelson.io/replicas': '2' }));
  expect(await read('a')).toMatchObject({ replicas: 2 });
  // What it asks for now comes out the same, as the rule is there for both.
  expect(await world.client.createVolume(wish)).toMatchObject({ id: created.id });
});

test.each<[Labels, string]>([
  [{ 'keelson.io/replicas': '6' }, 'defaults: label keelson.io/replicas: expected a whole number'],
  [{ env: 'prod' }, 'defaults: label env: decides nothing'],
  [
    { 'keelson.io/replicas': '1', 'storageos.com/replicas': '2' },
    'defaults: labels keelson.io/replicas=1 and storageos.com/replicas=2 disagree',
  ],
])('S30 the defaults %j are refused and nothing is created', async (defaults, reason) => {
  const wish = { namespace: NAMESPACE, name: 'bad', labels: {} };
  await expect(world.client.createVolume({ ...wish, defaults })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(reason),
  });
  expect(await world.client.volumes()).toEqual([]);
});

test('S4 N10 a rule that wants more nodes than there are is kept: its volumes get what they can', async () => {
  await create('a', { env: 'prod' });
  await world.client.createRule(
    rule('five', { 'keelson.io/replicas': '5' }, { selector: 'env==prod' }),
  );
  await world.waitForEvent(/^no available node for another copy, 6 are wanted$/);
  expect(changes('a')[0]).toBe('replicas changed from 0 to 5 by rule default/five');
  await world.waitUntil(() => copyCountOf('a') === 3);
  expect(await read('a')).toMatchObject({
    ...{ replicas: 5, origins: { replicas: 'rule default/five' } },
    notes: ['no available node for another copy, 6 are wanted'],
  });
  // Whoever creates or changes a volume is there to hear it: nothing is done by halves.
  const reason =
    /place 6 copies \(replicas=5 by rule default\/five\): limited by the number of nodes/;
  await expect(create('b', { env: 'prod' })).rejects.toThrow(reason);
  await create('c');
  const update = { labelsAdd: { env: 'prod' }, labelsRemove: [] };
  await expect(
    world.client.updateVolume({ namespace: NAMESPACE, name: 'c' }, update),
  ).rejects.toThrow(reason);
  expect((await read('c')).labels).toEqual({});
  // What it wants already is no reason to refuse something else.
  const other = { labelsAdd: { tier: 'db' }, labelsRemove: [] };
  await world.client.updateVolume({ namespace: NAMESPACE, name: 'a' }, other);
  await world.client.deleteRule({ namespace: NAMESPACE, name: 'five' });
  expect(await read('a')).toMatchObject({ replicas: 0, labels: { env: 'prod', tier: 'db' } });
});

test('N10 a rule is created once, found again, and refused when it differs', async () => {
  const wanted = rule('two', { 'keelson.io/replicas': '2' }, { weight: 7, selector: 'env=prod' });
  const created = await world.client.createRule(wanted);
  expect(created).toEqual({ ...wanted, selector: 'env==prod', volumes: [] });
  expect(await world.client.createRule(wanted)).toEqual(created);
  await expect(world.client.createRule({ ...wanted, weight: 8 })).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    message: 'create rule default/two: it exists and differs: weight is 7, asked for 8',
  });
  expect(await world.client.rules(NAMESPACE)).toEqual([created]);
  expect(await world.client.rules('team')).toEqual([]);
  for (const call of [
    () => world.client.rule({ namespace: 'team', name: 'two' }),
    () => world.client.deleteRule({ namespace: 'team', name: 'two' }),
  ]) {
    await expect(call()).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'rule team/two does not exist',
    });
  }
});

test('N10 a rule that is put must have the address of its path', async () => {
  const url = `${world.api.url}/v1/rules/default/two`;
  const put = (body: object) => fetch(url, { method: 'PUT', body: JSON.stringify(body) });
  const fields = { selector: '', action: 'add', labels: { 'keelson.io/replicas': '1' } };
  const refused = await put({ ...fields, name: 'three' });
  expect([refused.status, await refused.json()]).toEqual([
    400,
    {
      error: {
        code: 'INVALID_ARGUMENT',
        message: 'name: expected two as in the path, got "three"',
      },
    },
  ]);
  expect((await put({ ...fields, name: 'two' })).status).toBe(201);
  expect((await put(fields)).status).toBe(200);
});

test('S29 rules, defaults and what decided what are there after a restart', async () => {
  await world.client.createRule(rule('two', { 'keelson.io/replicas': '2' }));
  const wish = { namespace: NAMESPACE, name: 'a', labels: { env: 'prod' } };
  await world.client.createVolume({ ...wish, defaults: { 'keelson.io/failure-mode': 'hard' } });
  const seen = [await world.client.rules(), (await read('a')).origins, (await read('a')).defaults];
  await world.stop({ keepsData: true });
  world = await World.start({ root: world.root });
  expect([
    await world.client.rules(),
    (await read('a')).origins,
    (await read('a')).defaults,
  ]).toEqual(seen);
});

test('volumes are listed by namespace and by their own labels', async () => {
  await create('a', { env: 'prod' });
  await create('b', { env: 'test', 'storageos.com/replicas': '1' });
  await create('c', { env: 'prod' }, 'team');
  const list = async (filter: { namespace?: string; selector?: string }) =>
    (await world.client.volumes(filter)).map(({ namespace, name }) => `${namespace}/${name}`);
  expect(await list({ selector: 'env==prod' })).toEqual(['default/a', 'team/c']);
  expect(await list({ selector: 'env==prod', namespace: 'team' })).toEqual(['team/c']);
  expect(await list({ selector: '!keelson.io/replicas', namespace: NAMESPACE })).toEqual([
    'default/a',
  ]);
  await expect(list({ selector: 'env in (prod)' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('selector: expected LABEL==VALUE'),
  });
});
