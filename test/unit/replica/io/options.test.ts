import { readOptions } from '../../../../replica/io/options.ts';

const SECRET = 'ab'.repeat(32);
const ENVIRONMENT = { KEELSON_VOLUME_SECRET: SECRET };
const ARGUMENTS = {
  ...{ 'volume-id': 'v1', volume: 'default/demo', 'replica-id': 'r1', 'data-dir': '/d' },
  ...{ size: '8192', listen: '127.0.0.11' },
};

const argumentsWith = (change: Record<string, string>) =>
  Object.entries({ ...ARGUMENTS, ...change }).flatMap(([name, value]) => [`--${name}`, value]);

test('replica options, are read, with the real ports by default', () => {
  expect(readOptions(argumentsWith({}), ENVIRONMENT)).toEqual({
    ...{ volumeId: 'v1', volume: 'default/demo', replicaId: 'r1', dataDir: '/d', node: undefined },
    ...{ sizeBytes: 8192, host: '127.0.0.11', port: 5703, adminPort: 5704 },
    secret: Buffer.from(SECRET, 'hex'),
  });
  expect(readOptions(argumentsWith({ port: '0' }), ENVIRONMENT).port).toBe(0);
});

test('replica options, name the node whose disk the directory must be on, whole or not at all', () => {
  const identity = { node: 'a', installation: 'i' };
  expect(readOptions(argumentsWith(identity), ENVIRONMENT).node).toEqual(identity);
  expect(() => readOptions(argumentsWith({ node: 'a' }), ENVIRONMENT)).toThrow('--installation');
});

test.each<[string, Record<string, string>]>([
  ['--size: expected a multiple of 4096', { size: '4095' }],
  ['--size: expected', { size: '0x1000' }],
  ['--size: expected', { size: '70368744181760' }],
  ['--port: expected a port from 0 to 65535, got 65536', { port: '65536' }],
  ['--admin-port: expected', { 'admin-port': 'x' }],
  ['--listen: expected a value', { listen: '' }],
  ['--nonsense', { nonsense: '1' }],
])('replica options, are refused in one sentence: %s', (message, change) => {
  expect(() => readOptions(argumentsWith(change), ENVIRONMENT)).toThrow(message);
});

test.each([undefined, '', 'ab'.repeat(31), `${SECRET}a`, `${SECRET}zz`])(
  'replica options, are refused without showing it, for the secret %p',
  (secret) => {
    const read = () => readOptions(argumentsWith({}), { KEELSON_VOLUME_SECRET: secret });
    expect(read).toThrow('at least 32 bytes in hexadecimal');
    expect(read).not.toThrow(SECRET);
  },
);
