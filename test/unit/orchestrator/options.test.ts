import { HELP, parseOptions } from '../../../orchestrator/options.ts';

const DOCKER = ['--platform', 'docker'];

test('without --platform the installation is embedded', () => {
  expect(parseOptions(['--nodes', '4'], {})).toMatchObject({ nodeCount: 4, docker: undefined });
});

test('Docker needs nothing but to be asked for: one node on the engine of this machine', () => {
  expect(parseOptions(DOCKER, {}).docker).toEqual({
    nodes: [
      {
        name: 'node1',
        dataRoot: '/var/lib/keelson/nodes/node1',
        engine: { url: 'unix:///var/run/docker.sock' },
      },
    ],
    ...{ networkPrefix: '10.213', namePrefix: 'keelson' },
    ...{ imagePrefix: 'keelson/', imageTag: '0.1.0', advertise: undefined },
  });
});

test('a container takes its options from the environment', () => {
  const environment = { KEELSON_PLATFORM: 'docker', KEELSON_NODES: 'name=a;name=b,data=/b' };
  const { docker } = parseOptions([], environment);
  expect(docker?.nodes.map(({ name, dataRoot }) => `${name} ${dataRoot}`)).toEqual([
    ...['a /var/lib/keelson/nodes/a', 'b /b'],
  ]);
});

test.each<[string[], string]>([
  [['--platform', 'podman'], '--platform: expected process or docker, got podman'],
  [['--node', 'name=a'], '--node: not with --platform process'],
  [[...DOCKER, '--nodes', '3'], '--nodes: not with --platform docker'],
  [[...DOCKER, '--node', 'x'], '--node x: expected FIELD=VALUE'],
  [[...DOCKER, '--network-prefix', '8.8'], '--network-prefix: expected'],
  [[...DOCKER, '--name-prefix', '/'], '--name-prefix: expected'],
  [[...DOCKER, '--node', 'name=a,address=192.0.2.1'], '--advertise: expected an address'],
  [[...DOCKER, '--advertise', '192.0.2.1'], '--advertise: expected an address=… for every'],
  [[...DOCKER, '--advertise', 'x'], '--advertise: expected an IP address'],
  [['--unknown'], "Unknown option '--unknown'"],
])('options that mean nothing are refused in one sentence: %j', (words, message) => {
  expect(() => parseOptions(words, {})).toThrow(message);
  expect(() => parseOptions(words, {})).toThrow('see --help');
});

test('several engines are reached at their addresses', () => {
  const words = [...DOCKER, '--advertise', '192.0.2.9', '--node', 'name=a,address=192.0.2.1'];
  expect(parseOptions(words, {}).docker).toMatchObject({
    advertise: '192.0.2.9',
    nodes: [{ name: 'a', address: '192.0.2.1' }],
  });
});

test('the help names every option', () => {
  for (const option of ['--data', '--platform docker', '--node name=', '--network-prefix']) {
    expect(HELP).toContain(option);
  }
});
