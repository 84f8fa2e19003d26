import { parseCommand, UsageError } from '../../../../orchestrator/cli/arguments.ts';

const parse = (line: string, environment = {}) =>
  parseCommand(line.split(' ').filter(Boolean), environment);

test('S32 volume create takes namespace, labels and a name', () => {
  expect(
    parse(
      'volume create --namespace default --label storageos.com/replicas=2 --label storageos.com/failure.mode=alwayson volume-name',
    ),
  ).toEqual({
    kind: 'volume create',
    volume: { namespace: 'default', name: 'volume-name' },
    labels: { 'storageos.com/replicas': '2', 'storageos.com/failure.mode': 'alwayson' },
    api: 'http://127.0.0.1:5705',
    output: 'table',
  });
});

test('S33 volume create takes the other label family', () => {
  expect(
    parse('volume create --namespace default --label storageos.feature.replicas=2 volume-name'),
  ).toMatchObject({ labels: { 'storageos.feature.replicas': '2' } });
});

test('S35 volume update takes labels to add and to remove, and namespace/name', () => {
  expect(
    parse('volume update --label-add storageos.feature.replicas=2 default/volume-name'),
  ).toEqual({
    kind: 'volume update',
    volume: { namespace: 'default', name: 'volume-name' },
    labelsAdd: { 'storageos.feature.replicas': '2' },
    labelsRemove: [],
    api: 'http://127.0.0.1:5705',
    output: 'table',
  });
  expect(parse('volume update --label-rm a --label-rm b --label-add c=1 v')).toMatchObject({
    labelsAdd: { c: '1' },
    labelsRemove: ['a', 'b'],
  });
});

test.each([
  ['volume create --chap-file /run/c v', { kind: 'volume create', chapFile: '/run/c' }],
  ['volume update --chap-file c v', { labelsAdd: {}, labelsRemove: [], chapFile: 'c' }],
  ['volume update --no-chap v', { labelsAdd: {}, labelsRemove: [], chapFile: null }],
  ['chap secret', { kind: 'chap secret' }],
  ['volume ls', { kind: 'volume ls' }],
  ['volume ls -n team -o json', { kind: 'volume ls', namespace: 'team', output: 'json' }],
  ['volume inspect team/a', { volume: { namespace: 'team', name: 'a' } }],
  ['volume rm --force a', { volume: { namespace: 'default', name: 'a' }, isForced: true }],
  ['volume watch', { kind: 'volume watch' }],
  ['node ls --api http://127.0.0.1:1', { kind: 'node ls', api: 'http://127.0.0.1:1' }],
  ['node cordon node2', { kind: 'node cordon', node: 'node2' }],
  ['node uncordon node2', { kind: 'node uncordon', node: 'node2' }],
  ['volume ls --help', { kind: 'help' }],
  ['', { kind: 'help' }],
])('the command line %j is understood', (line, expected) => {
  expect(parse(line)).toMatchObject(expected);
});

test('the API comes from the environment, when the command line does not say', () => {
  expect(parse('node ls', { KEELSON_API: 'http://127.0.0.1:9' }).api).toBe('http://127.0.0.1:9');
});

test.each([
  ['volume', /unknown command: volume/],
  ['volume grow a', /unknown command: volume grow/],
  ['volume create', /expected one volume, got 0/],
  ['volume rm a b', /expected one volume, got 2/],
  ['volume ls a', /takes no name/],
  ['volume update v', /expected --size SIZE, --label-add KEY=VALUE, .* or --no-chap/],
  ['volume update --no-chap --chap-file c v', /give --chap-file or --no-chap, not both/],
  ['volume create --no-chap v', /volume create takes no --no-chap/],
  ['volume inspect --chap-file c v', /volume inspect takes no --chap-file/],
  ['chap secret v', /chap secret takes no name/],
  ['volume update --label a=1 v', /volume update takes no --label/],
  ['volume update --label-add a v', /--label-add: expected KEY=VALUE, got a/],
  ['node cordon', /expected one node, got 0/],
  ['volume ls --force', /volume ls takes no --force/],
  ['volume ls --colour', /Unknown option '--colour'/],
  ['volume ls -o yaml', /expected table or json, got yaml/],
  ['volume create --label env a', /expected KEY=VALUE, got env/],
  ['volume create --label a=1 --label a=2 v', /--label a: given as 1 and as 2/],
  ['volume inspect -n team other/a', /give the namespace once/],
  ['node ls --api nonsense', /expected a URL/],
])('the command line %j is refused with the reason', (line, reason) => {
  expect(() => parse(line)).toThrow(UsageError);
  expect(() => parse(line)).toThrow(reason);
});
