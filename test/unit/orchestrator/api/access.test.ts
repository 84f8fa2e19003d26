import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Registration } from '../../../../controller/protocol/registration.ts';
import { LOOPBACK_ADDRESSES } from '../../../../orchestrator/model/loopback-addresses.ts';
import { decodeState, encodeState } from '../../../../orchestrator/registry/state.ts';
import { World } from '../support/world.ts';

const NAME = { namespace: 'default', name: 'locked' };
const INITIATOR = 'iqn.2026-11.com.example:host1';
const ONE_WAY = {
  users: [{ name: 'alice', secret: 'first-secret-of-alice' }],
  mutual: null,
  allowsShortSecrets: false,
};
const MUTUAL = { ...ONE_WAY, mutual: { name: 'keelson', secret: 'secret-of-target' } };
const OTHER = { ...ONE_WAY, users: [{ name: 'alice', secret: 'other-secret-of-alice' }] };
const SECRETS = /secret-of-/;

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

const recordOf = () => world.installation.registry.require('default/locked');
const change = (update: object) =>
  world.client.updateVolume(NAME, { labelsAdd: {}, labelsRemove: [], ...update });

test('a volume is created with CHAP and a list of initiators, and shows no secret', async () => {
  const labels = {
    'keelson.io/initiators': `${INITIATOR.toUpperCase()}, eui.0123456789ABCDEF`,
    'keelson.io/sanitize': 'allow',
  };
  const created = await world.client.createVolume({ ...NAME, labels, chap: ONE_WAY });
  expect(created).toMatchObject({
    chap: 'one-way',
    initiators: [INITIATOR, 'eui.0123456789abcdef'],
  });
  expect(recordOf().chap).toEqual(ONE_WAY);
  expect(recordOf().spec.allowsSanitize).toBe(true);
  expect(JSON.stringify([created, await world.client.volumes()])).not.toMatch(SECRETS);
  // The same again is the same volume; another secret is not, and neither is told.
  expect((await world.client.createVolume({ ...NAME, labels, chap: ONE_WAY })).id).toBe(created.id);
  for (const [chap, reason] of [
    [OTHER, 'it has other CHAP credentials'],
    [MUTUAL, 'CHAP is one-way, asked for mutual'],
  ] as const) {
    const error = await world.client.createVolume({ ...NAME, labels, chap }).catch(String);
    expect(error).toContain(reason);
    expect(error).not.toMatch(SECRETS);
  }
});

test('a controller that shows the secret of the volume is told what initiators must prove', async () => {
  const { registry } = world.installation;
  const told: Registration = await registry.registration('default/locked', LOOPBACK_ADDRESSES);
  expect(told).toMatchObject({
    chap: ONE_WAY,
    volume: { initiators: [INITIATOR, expect.any(String)] },
  });
  const url = `${world.api.url}/v1/registry/default/locked`;
  const ask = (secret: string) => fetch(url, { headers: { authorization: `Bearer ${secret}` } });
  expect(await (await ask(recordOf().secret)).json()).toEqual(told);
  const refused = await ask('00'.repeat(32));
  expect(refused.status).toBe(401);
  expect(await refused.text()).not.toMatch(SECRETS);
});

test('an update of who may log in is a new registration, and is told without a secret', async () => {
  const since = world.events.since(0).length;
  const changes: [object, string | undefined][] = [
    [{ chap: OTHER }, 'CHAP credentials changed'],
    [{ chap: OTHER }, undefined],
    [{ chap: { ...MUTUAL } }, 'CHAP changed from one-way to mutual'],
    [{ chap: null }, 'CHAP changed from mutual to none'],
    [
      { labelsRemove: ['keelson.io/initiators'] },
      `initiators changed from ${INITIATOR} eui.0123456789abcdef to all`,
    ],
    [
      { labelsAdd: { 'keelson.io/sanitize': 'refuse' } },
      'SANITIZE changed from allowed to refused',
    ],
    [{ labelsAdd: { env: 'a' } }, 'labels changed from none to env=a'],
  ];
  for (const [update, message] of changes) {
    const { revision } = recordOf();
    await change(update);
    expect(recordOf().revision).toBe(revision + (message === undefined ? 0 : 1));
  }
  const messages = world.events
    .since(0)
    .slice(since)
    .map(({ message }) => message)
    .filter((message) => message.includes('changed'));
  expect(messages).toEqual(changes.map(([, message]) => message).filter(Boolean));
  expect(recordOf()).toMatchObject({ chap: null, spec: { initiators: [], allowsSanitize: false } });
});

test.each<[string, object, string]>([
  [
    'a secret that is too short',
    { chap: { users: [{ name: 'alice', secret: 'secret-of-' }] } },
    'the secret of user alice: expected 12 to 255',
  ],
  [
    'one secret for both ways',
    { chap: { ...ONE_WAY, mutual: { name: 'keelson', secret: 'first-secret-of-alice' } } },
    'a secret of its own',
  ],
  ['credentials that are a word', { chap: 'secret-of-alice' }, 'expected an object'],
  ['no user', { chap: { users: [] } }, 'expected 1 to 16 users'],
  [
    'a name that is no iSCSI name',
    { labelsAdd: { 'keelson.io/initiators': 'iqn.2026-11.com.example:a,host1' } },
    'label keelson.io/initiators: expected iSCSI names',
  ],
  ['no names', { labelsAdd: { 'keelson.io/initiators': ' ' } }, 'expected 1 to 128 names, got "0"'],
  [
    'another word for SANITIZE',
    { labelsAdd: { 'keelson.io/sanitize': 'yes' } },
    'expected allow or refuse, got "yes"',
  ],
])(
  'an update with %s changes nothing and says why, without the secret',
  async (_, update, reason) => {
    const before = recordOf();
    const error = String(await change(update).catch((thrown: unknown) => thrown));
    expect(error).toContain(reason);
    expect(error).not.toMatch(SECRETS);
    expect(recordOf()).toBe(before);
  },
);

test('secrets lie in the state file, for its owner alone, and nowhere else below the data root', async () => {
  await change({ chap: MUTUAL });
  const { root } = world;
  const files = ['state.a', 'state.b'].map((name) => join(root, name));
  expect(files.map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600]);
  expect(files.some((path) => readFileSync(path, 'utf8').includes('secret-of-target'))).toBe(true);
  expect(JSON.stringify(world.events.since(0))).not.toMatch(SECRETS);
});

test('on Kubernetes the object of a volume says who may log in, and no call', async () => {
  const version = { version: '1', platform: 'kubernetes' } as const;
  const spy = jest.spyOn(world.installation, 'version').mockReturnValue(version);
  const before = recordOf();
  const refusal = { code: 'FAILED_PRECONDITION', message: expect.stringMatching(/chapSecretRef/) };
  await expect(change({ chap: OTHER })).rejects.toMatchObject(refusal);
  await expect(change({ chap: null })).rejects.toMatchObject(refusal);
  const other = { namespace: 'default', name: 'other', labels: {}, chap: ONE_WAY };
  await expect(world.client.createVolume(other)).rejects.toMatchObject(refusal);
  expect(recordOf()).toBe(before);
  expect(world.installation.registry.get('default/other')).toBeUndefined();
  spy.mockRestore();
});

test('a state from before there were access rules is read, with volumes that are open to all', () => {
  const state = {
    ...{ installationId: 'i1', nodes: [], rules: [], startedInstances: [] },
    ...{ volumes: new Map([['default/locked', recordOf()]]), faults: new Map() },
  };
  const stored = JSON.parse(encodeState(state));
  expect(decodeState(stored).volumes.get('default/locked')).toEqual(recordOf());
  const [volume] = stored.volumes;
  delete volume.chap;
  delete volume.spec.initiators;
  delete volume.spec.allowsSanitize;
  expect(decodeState(stored).volumes.get('default/locked')).toMatchObject({
    chap: null,
    spec: { initiators: [], allowsSanitize: false },
  });
});
