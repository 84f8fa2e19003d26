import { chapModeOf, decodeChap } from '../../../../controller/protocol/chap-credentials.ts';

const ALICE = { name: 'alice', secret: 'alices-secret' };
const TARGET = { name: 'keelson', secret: 'targets-secret' };
const ONE_WAY = { users: [ALICE], mutual: null, allowsShortSecrets: false };

test('CHAP credentials are decoded, with what may be left out', () => {
  expect(decodeChap({ users: [ALICE] })).toEqual(ONE_WAY);
  const mutual = { users: [ALICE, { ...ALICE, name: 'bob' }], mutual: TARGET };
  expect(decodeChap(mutual)).toEqual({ ...mutual, allowsShortSecrets: false });
  const short = { users: [{ name: 'a', secret: 'b' }], mutual: null, allowsShortSecrets: true };
  expect(decodeChap(short)).toEqual(short);
});

test('users are told what must be proved, not how', () => {
  expect(chapModeOf(null)).toBe('none');
  expect(chapModeOf(ONE_WAY)).toBe('one-way');
  expect(chapModeOf({ ...ONE_WAY, mutual: TARGET })).toBe('mutual');
});

test.each<[string, unknown, RegExp]>([
  ['what is no object', 'open-sesame-1', /expected an object/],
  ['a list', [ALICE], /expected an object/],
  ['no list of users', { users: ALICE }, /expected a list of users/],
  ['no users', { users: [] }, /expected 1 to 16 users, got 0/],
  [
    '17 users',
    { users: Array.from({ length: 17 }, (_, i) => ({ ...ALICE, name: `u${i}` })) },
    /got 17/,
  ],
  [
    'a user twice',
    { users: [ALICE, { ...ALICE, secret: 'another-secret' }] },
    /each user name once/,
  ],
  ['a user that is a word', { users: ['alices-secret'] }, /a name and a secret/],
  ['a user without a secret', { users: [{ name: 'alice' }] }, /a name and a secret/],
  ['a secret that is a number', { users: [{ name: 'alice', secret: 5 }] }, /a name and a secret/],
  ['a name with a space', { users: [{ ...ALICE, name: 'a b' }] }, /a user name: expected/],
  ['a name of 256 characters', { users: [{ ...ALICE, name: 'a'.repeat(256) }] }, /a user name/],
  [
    'a secret of 11 bytes',
    { users: [{ name: 'alice', secret: 'x'.repeat(11) }] },
    /expected 12 to 255/,
  ],
  ['a secret of 256 bytes', { users: [{ name: 'alice', secret: 'x'.repeat(256) }] }, /12 to 255/],
  ['a secret with a space', { users: [{ name: 'alice', secret: 'open sesame 1' }] }, /12 to 255/],
  [
    'a short mutual secret',
    { users: [ALICE], mutual: { name: 'k', secret: 'short' } },
    /secret of user k/,
  ],
  [
    'an empty secret, even where short ones are allowed',
    { users: [{ name: 'alice', secret: '' }], allowsShortSecrets: true },
    /expected 1 to 255/,
  ],
  [
    'one secret for both ways (RFC 7143 section 12.1.3)',
    { users: [ALICE], mutual: { name: 'k', secret: ALICE.secret } },
    /a secret of its own/,
  ],
])('CHAP credentials are refused with %s, and shown to nobody', (_, value, reason) => {
  expect(() => decodeChap(value)).toThrow(reason);
  try {
    decodeChap(value);
  } catch (error) {
    expect(String(error)).not.toMatch(/alices-secret|another-secret|open|xxx|short$/);
  }
});
