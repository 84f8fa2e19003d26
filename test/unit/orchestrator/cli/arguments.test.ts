import { parseCommandLine } from '../../../../orchestrator/cli/arguments.ts';
import { COMMANDS } from '../../../../orchestrator/cli/commands/index.ts';
import { UsageError } from '../../../../orchestrator/cli/errors.ts';
import { type, typeOk } from '../support/command-line.ts';
import { FakeApi } from '../support/fake-api.ts';

let api: FakeApi;
beforeAll(async () => {
  api = await FakeApi.start();
});
afterAll(() => api.stop());

const parse = (line: string, environment = {}) =>
  parseCommandLine(line.split(' ').filter(Boolean), COMMANDS, environment);

/** What the API is asked by a command line; it answers with the least that can be shown. */
async function asked(line: string) {
  api.answers = {
    'POST /v1/volumes': {},
    'POST /v1/rules': { namespace: 'default', name: 'r' },
    'PATCH /v1/volumes/default/volume-name': {},
    'PATCH /v1/volumes/default/v': {},
    'PATCH /v1/nodes/node2': { name: 'node2' },
    'DELETE /v1/nodes/node2?force=false': {},
    'DELETE /v1/nodes/node2?force=true': {},
    'DELETE /v1/volumes/default/a?force=true': {},
    'DELETE /v1/rules/team/r': {},
    'GET /v1/volumes': [],
    'GET /v1/volumes?namespace=team&selector=env%3D%3Dprod%2C%21old': [],
    'GET /v1/rules?namespace=team': [],
    'GET /v1/events?since=7&follow=false': [],
    'GET /v1/events?volume=team%2Fa&since=0&follow=false': [],
  };
  await typeOk(line, { environment: api.environment });
  const [{ call, body } = { call: 'nothing', body: undefined }, ...more] = api.take();
  expect(more).toEqual([]);
  return { call, body };
}

test('S32 volume create takes namespace, labels and a name', async () => {
  const line =
    'volume create --namespace default --label storageos.com/replicas=2 --label storageos.com/failure.mode=alwayson volume-name';
  expect(await asked(line)).toEqual({
    call: 'POST /v1/volumes',
    body: {
      namespace: 'default',
      name: 'volume-name',
      labels: { 'storageos.com/replicas': '2', 'storageos.com/failure.mode': 'alwayson' },
    },
  });
});

test('S33 volume create takes the other label family', async () => {
  const line = 'volume create --namespace default --label storageos.feature.replicas=2 volume-name';
  expect(await asked(line)).toMatchObject({
    body: { labels: { 'storageos.feature.replicas': '2' } },
  });
});

test('S35 volume update takes labels to add and to remove, and namespace/name', async () => {
  const line = 'volume update --label-add storageos.feature.replicas=2 default/volume-name';
  expect(await asked(line)).toEqual({
    call: 'PATCH /v1/volumes/default/volume-name',
    body: { labelsAdd: { 'storageos.feature.replicas': '2' }, labelsRemove: [] },
  });
  expect(await asked('volume update --label-rm a --label-rm b --label-add c=1 v')).toMatchObject({
    body: { labelsAdd: { c: '1' }, labelsRemove: ['a', 'b'] },
  });
});

test('N10 rule create takes a selector, an action, labels, a weight and a name', async () => {
  const line =
    'rule create --namespace default --selector env==prod --action add --label storageos.com/replicas=2';
  const rule = {
    ...{ namespace: 'default', name: 'r', selector: 'env==prod', action: 'add' },
    labels: { 'storageos.com/replicas': '2' },
  };
  expect(await asked(`${line} r`)).toEqual({
    call: 'POST /v1/rules',
    body: { ...rule, weight: 0 },
  });
  expect(await asked(`${line} --weight 1000 r`)).toMatchObject({ body: { ...rule, weight: 1000 } });
  expect(await asked('rule create --label a=1 -n team r')).toMatchObject({
    body: { namespace: 'team', selector: '', action: 'add', labels: { a: '1' } },
  });
});

test.each([
  ['volume ls', 'GET /v1/volumes'],
  [
    'volume ls -n team -l env==prod,!old',
    'GET /v1/volumes?namespace=team&selector=env%3D%3Dprod%2C%21old',
  ],
  ['volume rm --force a', 'DELETE /v1/volumes/default/a?force=true'],
  ['rule ls -n team', 'GET /v1/rules?namespace=team'],
  ['rule rm team/r', 'DELETE /v1/rules/team/r'],
  ['node rm node2', 'DELETE /v1/nodes/node2?force=false'],
  ['node rm -f node2', 'DELETE /v1/nodes/node2?force=true'],
  ['events --since 7', 'GET /v1/events?since=7&follow=false'],
  ['events -n team --volume a', 'GET /v1/events?volume=team%2Fa&since=0&follow=false'],
])('the command line %j asks for %j', async (line, call) => {
  expect(await asked(line)).toEqual({ call, body: undefined });
});

test.each([
  ['volume create --size 15 v', { size: '15', name: 'v' }],
  ['volume update --size 2Gi v', { size: '2Gi' }],
  ['volume update --no-chap v', { labelsAdd: {}, labelsRemove: [], chap: null }],
  ['node cordon node2', { isCordoned: true }],
  ['node uncordon node2', { isCordoned: false }],
  ['node drain --no-wait node2', { isDraining: true }],
])('the command line %j sends %j', async (line, body) => {
  expect((await asked(line)).body).toMatchObject(body);
});

test.each([
  ['volume ls', 'volume ls', []],
  ['-n team --api http://h volume ls -o json', 'volume ls', []],
  ['volume watch', 'volume watch', []],
  ['volume watch a', 'volume watch', ['a']],
  ['events -f', 'events', []],
  ['chap secret', 'chap secret', []],
  ['help node drain', 'help', ['node', 'drain']],
  ['volume ls --help', 'help', ['volume', 'ls']],
  ['-h volume', 'help', ['volume']],
  ['volume -h create a --size 1', 'help', ['volume', 'create', 'a', '1']],
  ['', 'help', []],
])('the command line %j is understood as %j', (line, words, names) => {
  expect(parse(line)).toMatchObject({ command: { words }, names });
});

test('options say where the API is and how to print; else the environment does', () => {
  const environment = {
    ...{ KEELSON_API: 'http://127.0.0.1:9', KEELSON_TOKEN_FILE: '/run/t', KEELSON_TOKEN: 'abc' },
  };
  expect(parse('node ls')).toMatchObject({
    output: 'table',
    access: { api: 'http://127.0.0.1:5705' },
  });
  expect(parse('node ls', environment).access).toEqual({
    ...{ api: 'http://127.0.0.1:9', tokenFile: '/run/t', token: 'abc' },
  });
  const given = parse('node ls -o yaml --api https://h:1/ --token-file t', environment);
  expect(given).toMatchObject({ output: 'yaml', access: { api: 'https://h:1/', tokenFile: 't' } });
});

test.each([
  [
    'volume',
    /^keelson volume: expected create, update, .* or watch, got nothing; see keelson volume/,
  ],
  ['volume grow a', /expected create, .* or watch, got grow/],
  ['snapshot ls', /^unknown command: snapshot; see keelson --help$/],
  ['volume create', /expected one volume, got 0; see keelson volume create --help$/],
  ['volume rm a b', /expected one volume, got 2/],
  ['volume watch a b', /expected one volume, got 2/],
  ['volume ls a', /takes no name, got a/],
  ['volume update v', /expected one of --size, --label-add, --label-rm, --chap-file, --no-chap/],
  ['volume update --no-chap --chap-file c v', /give --chap-file or --no-chap, not both/],
  ['volume create --no-chap v', /^volume create takes no --no-chap;/],
  ['volume inspect --chap-file c v', /^volume inspect takes no --chap-file;/],
  ['node ls -n team', /^node ls takes no -n;/],
  ['chap secret v', /chap secret takes no name/],
  ['volume update --label a=1 v', /volume update takes no --label;/],
  ['volume update --label-add a v', /--label-add: expected KEY=VALUE, got a/],
  ['node cordon', /expected one node, got 0/],
  ['volume ls --force', /volume ls takes no --force/],
  ['volume ls --colour', /volume ls takes no --colour/],
  ['volume ls -o xml', /expected table, wide, json or yaml, got xml/],
  ['volume create v --size', /^volume create: expected SIZE behind --size, or --size=SIZE;/],
  ['volume create v --size --wait', /expected SIZE behind --size/],
  ['volume rm --force=yes v', /^volume rm: --force takes no value/],
  ['volume create --label env a', /expected KEY=VALUE, got env/],
  ['volume create --label a=1 --label a=2 v', /--label a: given as 1 and as 2/],
  ['volume create --timeout 5m a', /--timeout: expected --wait with it/],
  ['volume create --wait --timeout soon a', /expected a time such as 90s, 5m or 2h, got soon/],
  ['volume inspect -n team other/a', /give the namespace once/],
  ['volume inspect a/b/c', /expected NAME or NAMESPACE\/NAME/],
  ['rule create --selector env==prod r', /expected at least one --label/],
  ['rule create --label a=1 --action drop r', /--action: expected add, got drop/],
  ['rule create --label a=1 --weight 1001 r', /--weight: expected a whole number from 0 to 1000/],
  ['node drain --no-wait --timeout 5 n', /give --no-wait or --timeout, not both/],
  ['events --since yesterday', /--since: expected a whole number/],
  ['node ls --api nonsense', /--api: expected a URL such as http/],
  ['node ls --api file:///etc/passwd', /--api: expected a URL such as http/],
])('the command line %j is refused with the reason, and nobody is asked', async (line, reason) => {
  const { out, error } = await type(line, { environment: api.environment });
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(reason);
  expect(out).toBe('');
  expect(api.take()).toEqual([]);
});
