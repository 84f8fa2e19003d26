import type { Secret } from '../../../../orchestrator/kubernetes/objects.ts';
import { decodeChapSecret } from '../../../../orchestrator/operator/chap-secret.ts';
import { Refused } from '../../../../orchestrator/operator/verdict.ts';

const NAME = { namespace: 'shop', name: 'chap' };
const GOOD = {
  'node.session.auth.username': 'alice',
  'node.session.auth.password': 'twelve-or-more',
};
const MUTUAL = {
  ...GOOD,
  'node.session.auth.username_in': 'target',
  'node.session.auth.password_in': 'another-twelve',
};

describe('a Secret with CHAP credentials', () => {
  test('is read as the initiators of Kubernetes read it', () => {
    expect(decodeChapSecret(secretOf(GOOD), NAME)).toEqual({
      users: [{ name: 'alice', secret: 'twelve-or-more' }],
      ...{ mutual: null, allowsShortSecrets: false },
    });
    expect(decodeChapSecret(secretOf(MUTUAL), NAME).mutual).toEqual({
      ...{ name: 'target', secret: 'another-twelve' },
    });
  });

  test.each<[string, Secret, RegExp]>([
    [
      'another type',
      secretOf(GOOD, 'Opaque'),
      /expected type kubernetes.io\/iscsi-chap, got Opaque/,
    ],
    ['nothing in it', secretOf({}), /expected both node.session.auth.username and .*password$/],
    ['no data', { metadata: NAME, type: 'kubernetes.io/iscsi-chap' }, /expected both/],
    [
      'half of mutual CHAP',
      secretOf({ ...GOOD, 'node.session.auth.username_in': 'target' }),
      /expected both or neither of node.session.auth.username_in/,
    ],
    [
      'a short secret',
      secretOf({ ...GOOD, 'node.session.auth.password': 'short-one' }),
      /the secret of user alice: expected 12 to 255 printable characters/,
    ],
    [
      'the same secret both ways',
      secretOf({ ...MUTUAL, 'node.session.auth.password_in': 'twelve-or-more' }),
      /the mutual user has the secret of another user/,
    ],
    [
      'bytes that are no text',
      secretOf({ ...GOOD, 'node.session.auth.password': '\x00'.repeat(16) }),
      /printable/,
    ],
  ])('is refused with %s, naming it and showing nothing of it', (_, secret, reason) => {
    const error = refusalOf(secret);
    expect(error.refusal).toBe('ChapSecretInvalid');
    expect(error.message).toMatch(/^Secret shop\/chap: /);
    expect(error.message).toMatch(reason);
    expect(error.message).not.toMatch(/twelve|short-one/);
  });
});

function refusalOf(secret: Secret): Refused {
  try {
    decodeChapSecret(secret, NAME);
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error('it was taken');
}

function secretOf(
  text: Readonly<Record<string, string>>,
  type = 'kubernetes.io/iscsi-chap',
): Secret {
  const data = Object.fromEntries(
    Object.entries(text).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
  return { metadata: NAME, type, data };
}
