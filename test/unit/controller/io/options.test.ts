import { readOptions } from '../../../../controller/io/options.ts';
import { placeOfInstance } from '../../../../controller/protocol/instance-id.ts';

const SECRET = 'ab'.repeat(32);
const ARGUMENTS = {
  ...{ volume: 'default/db', 'instance-id': 'i-1' },
  ...{ registry: 'http://127.0.0.1:5705', listen: '127.0.0.1' },
};

function read(
  change: Record<string, string | undefined> = {},
  secret: string | undefined = SECRET,
  environment: Record<string, string> = {},
) {
  const given = Object.entries({ ...ARGUMENTS, ...change });
  const args = given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return readOptions(args, { ...environment, KEELSON_VOLUME_SECRET: secret });
}

test('controller options take the real ports unless told otherwise', () => {
  expect(read()).toEqual({
    ...{ namespace: 'default', name: 'db', instanceId: 'i-1' },
    ...{ registry: ARGUMENTS.registry, host: '127.0.0.1' },
    ...{
      port: 3260,
      adminPort: 3261,
      portal: undefined,
      secret: Buffer.from(SECRET, 'hex'),
      chap: null,
    },
  });
  expect(read({ portal: '192.0.2.1:13260' }).portal).toBe('192.0.2.1:13260');
  expect(read({ port: '1', 'admin-port': '65535' })).toMatchObject({ port: 1, adminPort: 65_535 });
});

test.each<[string, string | undefined]>([
  ['volume', undefined],
  ['volume', 'db'],
  ['volume', 'a/b/c'],
  ['instance-id', undefined],
  ['instance-id', 'i 1'],
  ['instance-id', 'i'.repeat(65)],
  ['instance-prefix', 'both'],
  ['registry', undefined],
  ['registry', 'registry'],
  ['registry', 'https://registry'],
  ['listen', ''],
  ['port', '65536'],
  ['admin-port', 'x'],
  ['colour', 'red'],
])('controller options refuse --%s %p in words that name it', (name, value) => {
  expect(() => read({ [name]: value })).toThrow(name);
});

test('a controller that is told where it runs names itself anew at each start', () => {
  const prefix = '0e7d1b2c-3a4f-4b5c-8d6e-7f8091a2b3c4';
  const ids = [1, 2].map(() => {
    return read({ 'instance-id': undefined, 'instance-prefix': prefix }).instanceId;
  });
  for (const id of ids) expect(placeOfInstance(id)).toBe(prefix);
  expect(ids[0]).not.toBe(ids[1]);
  const tooLong = { 'instance-id': undefined, 'instance-prefix': 'p'.repeat(56) };
  expect(() => read(tooLong)).toThrow('--instance-prefix: expected 1 to 55 letters');
});

test('controller options refuse a missing secret', () => {
  expect(() => read({}, '')).toThrow('KEELSON_VOLUME_SECRET');
});

describe('CHAP credentials in the environment of a controller', () => {
  const USER = { KEELSON_CHAP_USER: 'alice', KEELSON_CHAP_SECRET: 'open-sesame-1' };
  const MUTUAL = {
    ...{ KEELSON_CHAP_MUTUAL_USER: 'keelson', KEELSON_CHAP_MUTUAL_SECRET: 'open-sesame-2' },
  };
  const readChap = (environment: Record<string, string>) => read({}, SECRET, environment).chap;

  test('are one user, and what the target proves itself with', () => {
    const oneWay = {
      users: [{ name: 'alice', secret: 'open-sesame-1' }],
      ...{ mutual: null, allowsShortSecrets: false },
    };
    expect(readChap(USER)).toEqual(oneWay);
    expect(readChap({ ...USER, ...MUTUAL })).toEqual({
      ...oneWay,
      mutual: { name: 'keelson', secret: 'open-sesame-2' },
    });
  });

  test.each([
    ['a user alone', { KEELSON_CHAP_USER: 'alice' }],
    ['a secret alone', { KEELSON_CHAP_SECRET: 'open-sesame-1' }],
    ['a short secret', { ...USER, KEELSON_CHAP_SECRET: 'open' }],
    ['a mutual user only', MUTUAL],
    ['a mutual user without a secret', { ...USER, KEELSON_CHAP_MUTUAL_USER: 'keelson' }],
    ['one secret for both ways', { ...USER, ...MUTUAL, KEELSON_CHAP_SECRET: 'open-sesame-2' }],
  ])('are refused with %s, and not shown', (_, environment) => {
    expect(() => readChap(environment)).toThrow(/^start: KEELSON_CHAP_… in the environment: /);
    expect(() => readChap(environment)).not.toThrow(/open/);
  });
});
