import {
  readNodeOption,
  readNodeOptions,
} from '../../../../../orchestrator/platforms/docker/node-option.ts';

const SOCKET = 'unix:///var/run/docker.sock';

test('a node needs a name and nothing else', () => {
  expect(readNodeOption('name=a')).toEqual({
    ...{ name: 'a', dataRoot: '/var/lib/keelson/nodes/a', engine: { url: SOCKET } },
  });
});

test('a node says where its engine, its disk and its certificates are', () => {
  const text =
    'name=b,data=/srv/k=1,engine=tcp://10.0.0.2:2376,tls=/etc/keelson/b,address=10.0.0.2';
  expect(readNodeOption(text)).toEqual({
    ...{ name: 'b', dataRoot: '/srv/k=1', address: '10.0.0.2' },
    engine: { url: 'tcp://10.0.0.2:2376', tlsDirectory: '/etc/keelson/b' },
  });
});

test.each([
  ['', 'expected FIELD=VALUE'],
  ['name', 'expected FIELD=VALUE'],
  ['name=', 'expected FIELD=VALUE'],
  ['name=a,name=b', 'expected FIELD=VALUE once each'],
  ['name=a,disk=/x', 'name, data, engine, tls, address, got disk=/x'],
  ['data=/x', 'name: expected 1 to 63'],
  ['name=A', 'name: expected 1 to 63'],
  ['name=a,address=there', 'address: expected an IP address, got there'],
  ['name=a,data=x', 'data: expected an absolute path'],
  ['name=a,data=/x:/y', 'data: expected an absolute path'],
  ['name=a,data=/', 'data: expected an absolute path'],
  ['name=a,data=/x/', 'data: expected an absolute path'],
  ['name=a,data=/x/../y', 'data: expected an absolute path'],
])('a node that says %j is refused', (text, message) => {
  expect(() => readNodeOption(text)).toThrow(message);
});

test.each([
  [[], 'expected 1 to 32 of them, got 0'],
  [['name=a', 'name=a,data=/y'], 'it is there twice'],
  [['name=a,data=/x', 'name=b,data=/x'], '/x is the directory of a already'],
  [Array.from({ length: 33 }, (_, index) => `name=n${index}`), 'got 33'],
  [['name=a,address=192.0.2.1', 'name=b'], 'b: address: expected one, since other nodes have one'],
])('nodes that do not go together are refused: %j', (texts, message) => {
  expect(() => readNodeOptions(texts)).toThrow(message);
});

test('two engines may have the same directory', () => {
  const nodes = readNodeOptions(['name=a,data=/x', 'name=b,data=/x,engine=tcp://b:2375']);
  expect(nodes.map(({ name }) => name)).toEqual(['a', 'b']);
});
