import { nodeCryptography } from '../../../../controller/io/cryptography.ts';
import { ChapExchange, type Cryptography } from '../../../../controller/iscsi/chap.ts';
import type { TextPair } from '../../../../controller/iscsi/text-keys.ts';
import type { ChapCredentials } from '../../../../controller/protocol/chap-credentials.ts';

const CREDENTIALS: ChapCredentials = {
  users: [
    { name: 'other', secret: 'other-initiator' },
    { name: 'alice', secret: 'initiator-secret' },
  ],
  mutual: { name: 'keelson', secret: 'target-secret-1' },
  allowsShortSecrets: false,
};
const ONE_WAY = { ...CREDENTIALS, mutual: null };

/** Identifier 42, and challenges 00 01 02 … */
const FIXED: Cryptography = {
  ...nodeCryptography,
  randomBytes: (count) =>
    count === 1 ? Buffer.from([42]) : Buffer.from(Array.from({ length: count }, (_, i) => i)),
};

/** Computed with Python's hashlib: for our challenge by alice, and for 16 × 0x42, identifier 9, by us. */
const ANSWERS = {
  5: {
    digestBytes: 16,
    alice: '146466a8b34b56526e0619fa9872f517',
    proof: '45d1ce11e2e5018d72ec48257fafd38f',
  },
  6: {
    digestBytes: 20,
    alice: 'ce3c0edd6ef115219bc00a08e195d8f0c0e1931d',
    proof: '59a64cd4240fc7b073a5b79306a970d4c548bb8c',
  },
  7: {
    digestBytes: 32,
    alice: '80489e262cb88eeb289d9df6ca4cc01b520ad3cd6ce51dd68d37d58f66984cf4',
    proof: '2cb4d7ed3712027df3669c8098970769b752d5cf2eb1072fe92b370b5eae3934',
  },
  8: {
    digestBytes: 32,
    alice: '83933584898be9c611901ab813c4c8e336173fabba8fd7c0462b1212817a7f5d',
    proof: '475d498c3577764a7d7fcad1884ac8578aacc1e1902930aaa021d0c1f7c0a358',
  },
} as const;
type Algorithm = keyof typeof ANSWERS;

const THEIR_CHALLENGE: TextPair[] = [
  ['CHAP_I', '9'],
  ['CHAP_C', `0x${'42'.repeat(16)}`],
];

function begin(credentials: ChapCredentials, algorithm: Algorithm = 5): ChapExchange {
  const exchange = new ChapExchange(credentials, FIXED);
  expect(exchange.take([['CHAP_A', String(algorithm)]])).toHaveLength(3);
  return exchange;
}

function answerAs(name: string, response: string, ...more: TextPair[]): TextPair[] {
  return [['CHAP_N', name], ['CHAP_R', response], ...more];
}

describe.each([5, 6, 7, 8] as const)('CHAP with algorithm %i', (algorithm) => {
  const { digestBytes, alice, proof } = ANSWERS[algorithm];

  test('sends a challenge as long as the digest', () => {
    const exchange = new ChapExchange(CREDENTIALS, FIXED);
    expect(exchange.take([['CHAP_A', `99,${algorithm}`]])).toEqual([
      ['CHAP_A', String(algorithm)],
      ['CHAP_I', '42'],
      ['CHAP_C', `0x${FIXED.randomBytes(digestBytes).toString('hex')}`],
    ]);
    expect(exchange.isDone).toBe(false);
  });

  test.each(['hex', 'base64'] as const)('takes the right response in %s', (encoding) => {
    const exchange = begin(CREDENTIALS, algorithm);
    const prefix = encoding === 'hex' ? '0x' : '0b';
    const response = `${prefix}${Buffer.from(alice, 'hex').toString(encoding)}`;
    expect(exchange.take(answerAs('alice', response))).toEqual([]);
    expect(exchange.isDone).toBe(true);
  });

  test('proves itself to an initiator that asks for it', () => {
    const exchange = begin(CREDENTIALS, algorithm);
    expect(exchange.take(answerAs('alice', `0x${alice}`, ...THEIR_CHALLENGE))).toEqual([
      ['CHAP_N', 'keelson'],
      ['CHAP_R', `0x${proof}`],
    ]);
    expect(exchange.isDone).toBe(true);
  });

  test('refuses a response with one bit wrong, at either end of it', () => {
    for (const at of [0, digestBytes - 1]) {
      const wrong = Buffer.from(alice, 'hex');
      wrong[at] = (wrong[at] as number) ^ 1;
      const exchange = begin(CREDENTIALS, algorithm);
      const pairs = answerAs('alice', `0x${wrong.toString('hex')}`, ...THEIR_CHALLENGE);
      expect(exchange.take(pairs)).toBe('wrong-credentials');
      expect(exchange.isDone).toBe(false);
    }
  });

  test('refuses a response of another length', () => {
    for (const response of [`0x${alice.slice(2)}`, `0x${alice}00`]) {
      const exchange = begin(CREDENTIALS, algorithm);
      expect(exchange.take(answerAs('alice', response))).toBe('protocol-error');
    }
  });
});

test.each([
  ['5,6,7,8', '8'],
  ['8,7,6,5', '8'],
  ['5,7', '7'],
  ['5,6', '6'],
  ['0x5', '5'],
])('CHAP takes the strongest algorithm of %s', (offer, chosen) => {
  const answer = new ChapExchange(CREDENTIALS, nodeCryptography).take([['CHAP_A', offer]]);
  expect((answer as TextPair[])[0]).toEqual(['CHAP_A', chosen]);
});

test('CHAP never sends a challenge twice', () => {
  const challenges = Array.from({ length: 100 }, () => {
    const exchange = new ChapExchange(CREDENTIALS, nodeCryptography);
    return (exchange.take([['CHAP_A', '7']]) as TextPair[])[2]?.[1];
  });
  expect(new Set(challenges).size).toBe(100);
});

test.each<[string, TextPair[], string]>([
  ['no algorithm at all', [], 'missing-parameter'],
  ['only algorithms that we do not have', [['CHAP_A', '128,4']], 'no-common-algorithm'],
  ['an algorithm that is no number', [['CHAP_A', '5,md5']], 'protocol-error'],
  ['an empty list', [['CHAP_A', '']], 'protocol-error'],
  ['the second step first', answerAs('alice', '0x00'), 'protocol-error'],
  ['both steps at once', [['CHAP_A', '5'], ...answerAs('alice', '0x00')], 'protocol-error'],
  [
    'a key twice',
    [
      ['CHAP_A', '5'],
      ['CHAP_A', '5'],
    ],
    'protocol-error',
  ],
  ['AuthMethod again', [['AuthMethod', 'CHAP']], 'protocol-error'],
])('CHAP refuses %s in its first step', (_, pairs, refusal) => {
  expect(new ChapExchange(CREDENTIALS, FIXED).take(pairs)).toBe(refusal);
});

const RIGHT = `0x${ANSWERS[5].alice}`;

test.each<[string, TextPair[], string]>([
  ['nothing', [], 'missing-parameter'],
  ['no name', [['CHAP_R', RIGHT]], 'missing-parameter'],
  ['no response', [['CHAP_N', 'alice']], 'missing-parameter'],
  ['the first step again', [['CHAP_A', '5']], 'missing-parameter'],
  ['a response that is not encoded', answerAs('alice', 'secret'), 'protocol-error'],
  ['a key too many', answerAs('alice', RIGHT, ['CHAP_A', '5']), 'protocol-error'],
  ['a name twice', answerAs('alice', RIGHT, ['CHAP_N', 'alice']), 'protocol-error'],
  ['an identifier alone', answerAs('alice', RIGHT, ['CHAP_I', '9']), 'missing-parameter'],
  ['a challenge alone', answerAs('alice', RIGHT, ['CHAP_C', '0x42']), 'missing-parameter'],
  [
    'identifier 256',
    answerAs('alice', RIGHT, ['CHAP_I', '256'], ['CHAP_C', '0x42']),
    'protocol-error',
  ],
  [
    'an identifier that is no number',
    answerAs('alice', RIGHT, ['CHAP_I', '-1'], ['CHAP_C', '0x42']),
    'protocol-error',
  ],
  [
    'an empty challenge',
    answerAs('alice', RIGHT, ['CHAP_I', '9'], ['CHAP_C', '']),
    'protocol-error',
  ],
  [
    'a challenge of 1025 bytes',
    answerAs('alice', RIGHT, ['CHAP_I', '9'], ['CHAP_C', `0x${'42'.repeat(1025)}`]),
    'protocol-error',
  ],
  [
    'a key too many beside a challenge',
    answerAs('alice', RIGHT, ...THEIR_CHALLENGE, ['CHAP_A', '5']),
    'protocol-error',
  ],
  ['an unknown user', answerAs('mallory', RIGHT), 'wrong-credentials'],
  ['a user in other capitals', answerAs('Alice', RIGHT), 'wrong-credentials'],
  ["another user's response", answerAs('other', RIGHT), 'wrong-credentials'],
  [
    'our own challenge back (RFC 7143 section 12.1.3)',
    answerAs(
      'alice',
      RIGHT,
      ['CHAP_I', '43'],
      ['CHAP_C', `0x${FIXED.randomBytes(16).toString('hex')}`],
    ),
    'reflected',
  ],
])('CHAP refuses %s in its second step', (_, pairs, refusal) => {
  const exchange = begin(CREDENTIALS);
  expect(exchange.take(pairs)).toBe(refusal);
  expect(exchange.isDone).toBe(false);
});

test('CHAP refuses our own secret as the answer to our challenge (RFC 7143 section 12.1.3)', () => {
  // Not even when the same secret was configured for both ways, which decodeChap refuses.
  const shared = { ...CREDENTIALS, mutual: { name: 'keelson', secret: 'initiator-secret' } };
  for (const name of ['alice', 'keelson', 'nobody']) {
    expect(begin(shared).take(answerAs(name, RIGHT))).toBe('reflected');
  }
});

test.each(['mallory', '', 'Alice'])(
  "CHAP refuses a user that there is not, %j, even with another user's right response",
  (name) => {
    for (const users of [CREDENTIALS.users, CREDENTIALS.users.toReversed()]) {
      const exchange = begin({ ...CREDENTIALS, users });
      expect(exchange.take(answerAs(name, RIGHT))).toBe('wrong-credentials');
    }
  },
);

test('CHAP hashes and compares as much for a user that there is not', () => {
  const countWork = (name: string, response: string): string[] => {
    const work: string[] = [];
    const counting: Cryptography = {
      ...FIXED,
      hash: (hash, bytes) => {
        work.push(`hash ${bytes.length}`);
        return nodeCryptography.hash(hash, bytes);
      },
      isEqual: (a, b) => {
        work.push(`compare ${a.length}`);
        return nodeCryptography.isEqual(a, b);
      },
    };
    const exchange = new ChapExchange(
      { ...CREDENTIALS, users: [{ name: 'alice', secret: 'initiator-secret' }] },
      counting,
    );
    exchange.take([['CHAP_A', '5']]);
    exchange.take(answerAs(name, response));
    return work;
  };
  const wrong = `0x${'00'.repeat(16)}`;
  expect(countWork('alice', wrong)).toEqual(countWork('mallory', wrong));
  expect(countWork('alice', wrong)).toEqual(countWork('alice', RIGHT));
});

test('CHAP without a mutual user refuses to prove itself, after the initiator did', () => {
  const wrong = answerAs('alice', `0x${'00'.repeat(16)}`, ...THEIR_CHALLENGE);
  expect(begin(ONE_WAY).take(wrong)).toBe('wrong-credentials');
  const right = answerAs('alice', RIGHT, ...THEIR_CHALLENGE);
  expect(begin(ONE_WAY).take(right)).toBe('no-mutual-credentials');
});
