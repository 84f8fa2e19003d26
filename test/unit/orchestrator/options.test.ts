import { HELP } from '../../../orchestrator/options/help.ts';
import { parseOptions } from '../../../orchestrator/options.ts';

const DOCKER = ['--platform', 'docker'];
const KUBERNETES = ['--platform', 'kubernetes'];
const POD = { POD_NAMESPACE: 'keelson-system', POD_NAME: 'keelson-0' };

test('without --platform the installation is embedded', () => {
  expect(parseOptions(['--nodes', '4', '--data', '/d'], {}).platform).toEqual({
    ...{ name: 'process', root: '/d', nodeCount: 4, hasDemo: true },
  });
});

test('Docker needs nothing but to be asked for: one node on the engine of this machine', () => {
  expect(parseOptions(DOCKER, { KEELSON_DATA: '/d' }).platform).toEqual({
    ...{ name: 'docker', root: '/d' },
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
  const nodes = { KEELSON_NODES: 'name=a;name=b,data=/b', KEELSON_ADVERTISE: '' };
  const environment = { KEELSON_PLATFORM: 'docker', ...nodes };
  expect(parseOptions([], environment).platform).toMatchObject({
    advertise: undefined,
    nodes: [
      { name: 'a', dataRoot: '/var/lib/keelson/nodes/a' },
      { name: 'b', dataRoot: '/b' },
    ],
  });
});

test('Kubernetes needs to know its own pod, which the manifest tells', () => {
  expect(parseOptions(KUBERNETES, POD).platform).toEqual({
    ...{ name: 'kubernetes', namespace: 'keelson-system', podName: 'keelson-0' },
    ...{ nodeSelector: undefined, dataRoot: '/var/lib/keelson', provisionerName: 'keelson.io' },
    ...{ imagePrefix: undefined, imageTag: undefined },
  });
  const words = ['--namespace', 'storage', '--node-selector', 'disk=nvme, example.com/rack=r1'];
  expect(
    parseOptions([...KUBERNETES, ...words, '--data-root', '/srv/k'], POD).platform,
  ).toMatchObject({
    ...{ namespace: 'storage', dataRoot: '/srv/k' },
    nodeSelector: { disk: 'nvme', 'example.com/rack': 'r1' },
  });
});

test.each<[string[], string]>([
  [['--platform', 'podman'], '--platform: expected process, docker or kubernetes, got podman'],
  [[...KUBERNETES, '--data', '/d'], '--data: not with --platform kubernetes'],
  [[...KUBERNETES, '--node', 'name=a'], '--node: not with --platform kubernetes'],
  [[...DOCKER, '--node-selector', 'a=b'], '--node-selector: not with --platform docker'],
  [KUBERNETES, '--namespace: expected the name of this pod or of its namespace, got ""'],
  [[...KUBERNETES, '--namespace', 'a'], '$POD_NAME: expected the name of this pod'],
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

test.each<[string[], string]>([
  [['--namespace', 'A'], '--namespace: expected the name'],
  [['--node-selector', 'disk'], '--node-selector: expected LABEL=VALUE, got "disk"'],
  [['--node-selector', 'a=b=c'], '--node-selector: expected LABEL=VALUE'],
  [['--node-selector', '/=x'], '--node-selector: expected LABEL=VALUE'],
  [['--data-root', 'data'], '--data-root: expected an absolute path, got "data"'],
  [['--data-root', '/'], '--data-root: expected an absolute path'],
  [['--data-root', '/srv/../etc'], '--data-root: expected an absolute path'],
  [['--provisioner', '_'], '--provisioner: expected a name'],
])('options of Kubernetes that mean nothing are refused: %j', (words, message) => {
  expect(() => parseOptions([...KUBERNETES, ...words], POD)).toThrow(message);
});

test('several engines are reached at their addresses', () => {
  const words = [...DOCKER, '--advertise', '192.0.2.9', '--node', 'name=a,address=192.0.2.1'];
  expect(parseOptions(words, {}).platform).toMatchObject({
    advertise: '192.0.2.9',
    nodes: [{ name: 'a', address: '192.0.2.1' }],
  });
});

test('the help names every option', () => {
  for (const option of [
    '--data',
    '--platform docker',
    '--node name=',
    '--network-prefix',
    '--node-selector',
  ]) {
    expect(HELP).toContain(option);
  }
});
