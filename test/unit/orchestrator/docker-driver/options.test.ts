import { HELP, parseOptions } from '../../../../orchestrator/docker-driver/options.ts';

test('without words the driver is keelson, on the API of this host', () => {
  expect(parseOptions([], {})).toEqual({
    isHelp: false,
    access: { api: 'http://127.0.0.1:5705' },
    socket: '/run/docker/plugins/keelson.sock',
    stateDir: '/var/lib/keelson/docker-driver',
    defaults: {},
    chapFile: undefined,
  });
});

test('words go before the environment', () => {
  const environment = {
    KEELSON_API: 'http://a:1',
    KEELSON_TOKEN_FILE: '/a',
    KEELSON_TOKEN: 'secret',
  };
  expect(parseOptions([], environment).access).toEqual({
    ...{ api: 'http://a:1', tokenFile: '/a', token: 'secret' },
  });
  const words = ['--api', 'https://b:2', '--token-file', '/b'];
  expect(parseOptions(words, environment).access).toEqual({
    ...{ api: 'https://b:2', tokenFile: '/b', token: 'secret' },
  });
});

test('S30 defaults are repeated, and checked at once', () => {
  const words = [
    '--default',
    'size=10',
    '--default',
    'storageos.com/replicas=2',
    '--default=env=a=b',
  ];
  expect(parseOptions(words, {}).defaults).toEqual({
    ...{ size: '10', 'storageos.com/replicas': '2', env: 'a=b' },
  });
});

test.each([
  [['--default', 'size'], /^--default: expected KEY=VALUE, got size; see --help$/],
  [['--default', '=1'], /^--default: expected KEY=VALUE/],
  [['--default', 'size=1', '--default', 'size=2'], /^--default size: expected it once/],
  [['--default', 'size=lots'], /^--default: size "lots"/],
  [['--default', 'storageos.com/replicas=6'], /^--default: label storageos\.com\/replicas/],
  [['--default', 'namespace=prod'], /^--default: option namespace/],
  [['--api', 'localhost'], /^--api: expected a URL/],
  [['--api', 'ftp://a'], /^--api: expected a URL/],
  [['--token', 'x'], /--token/],
  [['positional'], /positional/],
])('%j is refused', (words, reason) => {
  expect(() => parseOptions(words, {})).toThrow(reason);
});

test('the help names every option', () => {
  for (const name of ['api', 'token-file', 'default', 'chap-file', 'socket', 'state-dir', 'help']) {
    expect(HELP).toContain(`--${name}`);
  }
});
