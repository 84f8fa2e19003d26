import { SECRETS } from '../../../../../orchestrator/kubernetes/resources.ts';
import { openTokenSecret } from '../../../../../orchestrator/platforms/kubernetes/token-secret.ts';
import { FakeKube } from '../../support/fake-kube.ts';

const SYSTEM = 'keelson-system';
const NAME = { namespace: SYSTEM, name: 'keelson-api-token' };

test('the token is made once, of 32 random bytes, whoever of several comes first', async () => {
  const kube = new FakeKube();
  const [first, second] = [kube.client(), kube.client()];
  const [one, other] = await Promise.all([
    openTokenSecret(first, SYSTEM),
    openTokenSecret(second, SYSTEM),
  ]);
  expect(one.text).toMatch(/^[0-9a-f]{64}$/);
  expect(other).toEqual(one);
  expect(one.place).toBe('the Secret keelson-api-token in namespace keelson-system');
  expect((await openTokenSecret(kube.client(), SYSTEM)).text).toBe(one.text);
  const { token = '' } = kube.get(SECRETS, NAME)?.data ?? {};
  expect(Buffer.from(token, 'base64').toString()).toBe(one.text);
});

test('a lost answer makes no second token', async () => {
  const kube = new FakeKube();
  const client = kube.client();
  client.plan = (_call, number) => (number === 1 ? 'after' : undefined);
  await expect(openTokenSecret(client, SYSTEM)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const { text } = await openTokenSecret(client, SYSTEM);
  expect(text).toMatch(/^[0-9a-f]{64}$/);
  expect(client.calls).toHaveLength(1);
});

test.each(['', 'abc', 'A'.repeat(64)])(
  'a Secret that holds something else is refused: %j',
  async (text) => {
    const kube = new FakeKube();
    const token = Buffer.from(text).toString('base64');
    kube.put(SECRETS, { metadata: NAME, data: { token } });
    await expect(openTokenSecret(kube.client(), SYSTEM)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(/expected 64 digits of hex under "token".*delete it/),
    });
  },
);
