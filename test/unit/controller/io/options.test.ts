import { readOptions } from '../../../../controller/io/options.ts';

const SECRET = 'ab'.repeat(32);
const ARGUMENTS = {
  ...{ volume: 'default/db', 'instance-id': 'i-1' },
  ...{ registry: 'http://127.0.0.1:5705', listen: '127.0.0.1' },
};

function read(
  change: Record<string, string | undefined> = {},
  secret: string | undefined = SECRET,
) {
  const given = Object.entries({ ...ARGUMENTS, ...change });
  const args = given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return readOptions(args, { KEELSON_VOLUME_SECRET: secret });
}

test('controller options take the real ports unless told otherwise', () => {
  expect(read()).toEqual({
    ...{ namespace: 'default', name: 'db', instanceId: 'i-1' },
    ...{ registry: ARGUMENTS.registry, host: '127.0.0.1' },
    ...{ port: 3260, adminPort: 3261, secret: Buffer.from(SECRET, 'hex') },
  });
  expect(read({ port: '1', 'admin-port': '65535' })).toMatchObject({ port: 1, adminPort: 65_535 });
});

test.each<[string, string | undefined]>([
  ['volume', undefined],
  ['volume', 'db'],
  ['volume', 'a/b/c'],
  ['instance-id', undefined],
  ['instance-id', 'i 1'],
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

test('controller options refuse a missing secret', () => {
  expect(() => read({}, '')).toThrow('KEELSON_VOLUME_SECRET');
});
