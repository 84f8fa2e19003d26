import type { Secret } from '../../../../orchestrator/kubernetes/objects.ts';
import { PODS, SECRETS } from '../../../../orchestrator/kubernetes/resources.ts';
import { API_RULES } from '../support/api-rules.ts';
import { FakeKube, mergePatch } from '../support/fake-kube.ts';

const NAME = { namespace: 'team', name: 'data' };

test.each(API_RULES)('the API server in memory $name', async ({ check }) => {
  await check(new FakeKube().client(), 'team');
});

test('the API server in memory lets a pod end, where there are kubelets', async () => {
  const kube = new FakeKube();
  kube.hasKubelets = true;
  const client = kube.client();
  await client.create(PODS, { metadata: NAME });
  await client.remove(PODS, NAME);
  await client.patch(PODS, NAME, { status: { phase: 'Succeeded' } }, 'status');
  expect((await client.get(PODS, NAME))?.metadata.deletionTimestamp).toBeDefined();
  await client.remove(PODS, NAME, { graceSeconds: 0 });
  expect(await client.get(PODS, NAME)).toBeUndefined();
});

test('a client of it sees changes a moment later, never an older object, and fails as planned', async () => {
  const kube = new FakeKube();
  const client = kube.client();
  const made = await kube.client().create(SECRETS, secret('one'));
  const informer = client.inform(SECRETS, { namespace: 'team' });
  await informer.ready;
  expect(informer.get(NAME)).toEqual(made);
  client.hold(true);
  const changed = await client.replace(SECRETS, { ...made, ...secret('two') });
  expect(informer.get(NAME)).toEqual(made);
  informer.note(changed);
  client.hold(false);
  await Promise.resolve();
  expect(informer.get(NAME)).toEqual(changed);
  client.plan = (_call, number) => (number === 2 ? 'after' : undefined);
  await expect(client.remove(SECRETS, NAME)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await Promise.resolve();
  expect(informer.get(NAME)).toBeUndefined();
  expect(client.calls).toEqual(['replace secrets team/data', 'remove secrets team/data']);
});

test('a merge patch takes away what is null, and puts lists in the place of lists', () => {
  const target = { a: { b: 1, c: [1, 2] }, d: 4 };
  expect(mergePatch(target, { a: { b: null, c: [3] }, e: { f: null } })).toEqual({
    a: { c: [3] },
    d: 4,
    e: {},
  });
});

function secret(text: string): Secret {
  return { metadata: NAME, data: { secret: Buffer.from(text).toString('base64') } };
}
