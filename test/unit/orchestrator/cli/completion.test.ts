import { type as typeLine, typeOk } from '../support/command-line.ts';
import { FakeApi, Refusal } from '../support/fake-api.ts';

let api: FakeApi;
beforeAll(async () => {
  api = await FakeApi.start();
});
beforeEach(() => {
  api.take();
  api.answers = {
    'GET /v1/volumes': [
      { namespace: 'default', name: 'data' },
      { namespace: 'team', name: 'logs' },
    ],
    'GET /v1/volumes?namespace=team': [{ namespace: 'team', name: 'logs' }],
    'GET /v1/rules': [{ namespace: 'default', name: 'two' }],
    'GET /v1/nodes': [{ name: 'node1' }, { name: 'node2' }],
  };
});
afterAll(() => api.stop());

/** What is offered for a line whose last word, maybe an empty one, is being typed. */
async function offered(line: string, environment = api.environment): Promise<string[]> {
  const words = line.split(' ').map((word) => (word === '' ? '""' : word));
  const out = await typeOk(`__complete ${words.join(' ')}`, { environment });
  return out.split('\n').flatMap((text) => (text === '' ? [] : [text.split('\t')[0] ?? '']));
}

test.each([
  ['vol', ['volume']],
  ['volume ', ['create', 'update', 'ls', 'inspect', 'rm', 'watch']],
  ['rule i', ['inspect']],
  ['-o json vol', ['volume']],
  ['-o ', ['table', 'wide', 'json', 'yaml']],
  ['node ls --output=j', ['--output=json']],
  ['volume rm --f', ['--force']],
  ['volume rm --force --f', []],
  ['volume create --label a=1 --l', ['--label']],
  ['volume create --label keelson.io/failure-m', ['keelson.io/failure-mode=']],
  [
    'rule create --label keelson.io/sanitize=',
    ['keelson.io/sanitize=allow', 'keelson.io/sanitize=refuse'],
  ],
  ['rule create --action ', ['add']],
  ['volume create --chap-file ', [':files']],
  ['volume create --chap-file=x', [':files']],
  ['volume create ', []],
  ['volume update --size ', []],
  ['help node dr', ['drain']],
  ['help ex', ['exit-codes']],
  ['completion ', ['bash', 'zsh']],
  ['snapshot ', []],
])('for the line %j the words %j are offered, and nobody is asked', async (line, words) => {
  expect(await offered(line)).toEqual(words);
  expect(api.take()).toEqual([]);
});

test.each([
  ['volume inspect ', ['data', 'team/logs']],
  ['volume inspect d', ['data']],
  ['volume inspect default/', ['default/data']],
  ['volume rm -n team ', ['logs']],
  ['volume rm data ', []],
  ['events --volume=', ['--volume=data', '--volume=team/logs']],
  ['rule rm ', ['two']],
  ['node drain ', ['node1', 'node2']],
])('for the line %j the names %j of the orchestrator are offered', async (line, names) => {
  expect(await offered(line)).toEqual(names);
});

test('names are asked for where the line says, with its token', async () => {
  const elsewhere = { KEELSON_API: 'http://127.0.0.1:1', KEELSON_TOKEN: 'abc' };
  expect(await offered(`volume inspect --api ${api.url} d`, elsewhere)).toEqual(['data']);
  expect(api.take().map(({ headers }) => headers.authorization)).toEqual(['Bearer abc']);
});

test.each([
  ['nobody answers', () => ({ KEELSON_API: 'http://127.0.0.1:1' })],
  ['the token is refused', () => api.environment],
  ['the token file is not there', () => ({ ...api.environment, KEELSON_TOKEN_FILE: '/none' })],
  ['the API is no URL', () => ({ KEELSON_API: 'nonsense' })],
])('nothing is offered and nothing said when %s', async (_case, environment) => {
  api.answers = { 'GET /v1/nodes': new Refusal('UNAUTHENTICATED', 'no', 401) };
  const outcome = await typeLine('__complete node rm ""', { environment: environment() });
  expect(outcome).toEqual({ out: '', notes: '', error: undefined });
});

test('a completion script is printed for bash and for zsh, and for no other shell', async () => {
  expect(await typeOk('completion bash')).toContain('complete -F _keelson keelson');
  expect(await typeOk('completion zsh')).toMatch(/^#compdef keelson\n/);
  for (const shell of ['fish', 'constructor']) {
    const { error } = await typeLine(`completion ${shell}`);
    expect(String(error)).toContain(`expected bash or zsh, got ${shell}`);
  }
});
