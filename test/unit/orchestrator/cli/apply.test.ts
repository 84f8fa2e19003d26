import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOPICS } from '../../../../orchestrator/cli/topics.ts';
import { ERROR_CODES, type ErrorCode } from '../../../../replica/common/errors.ts';
import { type as typeLine } from '../support/command-line.ts';
import { FakeApi, Refusal } from '../support/fake-api.ts';

let api: FakeApi;
let directory: string;
beforeAll(async () => {
  api = await FakeApi.start();
  directory = mkdtempSync(join(tmpdir(), 'keelson-apply-'));
});
beforeEach(() => {
  api.take();
  api.answers = {};
});
afterAll(async () => {
  await api.stop();
  rmSync(directory, { recursive: true });
});

function fileOf(text: string, name = 'volumes.yaml', mode = 0o644): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode });
  return path;
}

/** Applies YAML from standard input. */
const apply = (input: string, options = '') =>
  typeLine(`apply -f - ${options}`, { environment: api.environment, input });

const refusal = (code: ErrorCode) => new Refusal(code, `the API: ${code}`, ERROR_CODES[code].http);

const VOLUME = `apiVersion: keelson.io/v1alpha1
kind: Volume
metadata:
  name: a
  labels: {env: prod}
spec:
  size: 10Gi
  replicas: 2
`;
const LABELS = { env: 'prod', 'keelson.io/replicas': '2' };
const A = 'GET /v1/volumes/default/a';
const EXISTING = { namespace: 'default', name: 'a', sizeBytes: 10 * 1024 ** 3, labels: LABELS };

const RULE = `apiVersion: keelson.io/v1alpha1
kind: Rule
metadata: {name: two}
spec:
  selector: env==prod
  labels: {keelson.io/replicas: "2"}
`;
const TWO = {
  ...{ selector: 'env==prod', action: 'add', weight: 0 },
  labels: { 'keelson.io/replicas': '2' },
};

const asked = () => api.take().map(({ call, body }) => ({ call, body }));

test('apply creates what is missing', async () => {
  api.answers = { 'POST /v1/volumes': {}, 'PUT /v1/rules/default/two': {} };
  expect(await apply(`${VOLUME}---\n${RULE}`)).toMatchObject({
    out: 'volume default/a created\nrule default/two created\n',
    error: undefined,
  });
  const wish = { namespace: 'default', name: 'a', size: '10Gi', labels: LABELS };
  expect(asked()).toEqual([
    { call: A, body: undefined },
    { call: 'POST /v1/volumes', body: wish },
    { call: 'GET /v1/rules/default/two', body: undefined },
    { call: 'PUT /v1/rules/default/two', body: TWO },
  ]);
});

test('apply sends nothing when everything is as the file says', async () => {
  const rule = { namespace: 'default', name: 'two', ...TWO, volumes: [] };
  api.answers = { [A]: EXISTING, 'GET /v1/rules/default/two': rule };
  expect(await apply(`${VOLUME}---\n${RULE}`)).toMatchObject({
    out: 'volume default/a unchanged\nrule default/two unchanged\n',
  });
  expect(asked().map(({ call }) => call)).toEqual([A, 'GET /v1/rules/default/two']);
});

test('apply sets what differs, and takes away the labels that the file does not have', async () => {
  const labels = { env: 'test', owner: 'me', 'storageos.com/replicas': '1' };
  const rule = { namespace: 'default', name: 'two', ...TWO, weight: 5 };
  api.answers = {
    [A]: { ...EXISTING, sizeBytes: 1024 ** 3, labels },
    'PATCH /v1/volumes/default/a': {},
    'GET /v1/rules/default/two': rule,
    'PUT /v1/rules/default/two': {},
  };
  expect(await apply(`${VOLUME}---\n${RULE}`)).toMatchObject({
    out: 'volume default/a updated\nrule default/two updated\n',
  });
  const update = {
    labelsAdd: LABELS,
    labelsRemove: ['owner', 'storageos.com/replicas'],
    size: '10Gi',
  };
  expect(asked()[1]).toEqual({ call: 'PATCH /v1/volumes/default/a', body: update });
});

test('apply leaves the size of a volume alone when the file does not speak of it', async () => {
  api.answers = { [A]: { ...EXISTING, sizeBytes: 77 * 1024 ** 3 } };
  const { out } = await apply(VOLUME.replace('  size: 10Gi\n', ''));
  expect(out).toBe('volume default/a unchanged\n');
});

test.each<[string, ErrorCode | undefined, string]>([
  ['are the ones that it has', undefined, 'unchanged'],
  ['are others', 'ALREADY_EXISTS', 'updated'],
])(
  'apply finds out by asking for the same volume whether CHAP credentials %s',
  async (_case, code, change) => {
    fileOf('user alice open-sesame-1\n', 'a.chap', 0o600);
    const path = fileOf(`${VOLUME}  chapSecretFile: a.chap\n`);
    api.answers = {
      [A]: EXISTING,
      'POST /v1/volumes': code === undefined ? {} : refusal(code),
      'PATCH /v1/volumes/default/a': {},
    };
    const outcome = await typeLine(`apply -f ${path}`, { environment: api.environment });
    expect(outcome).toMatchObject({ out: `volume default/a ${change}\n`, error: undefined });
    const chap = {
      ...{ users: [{ name: 'alice', secret: 'open-sesame-1' }], mutual: null },
      allowsShortSecrets: false,
    };
    const [, found, ...more] = asked();
    expect(found?.body).toMatchObject({ size: '10485760Ki', labels: LABELS, chap });
    expect(more.map(({ body }) => body)).toEqual(
      code === undefined ? [] : [{ labelsAdd: {}, labelsRemove: [], chap }],
    );
  },
);

test.each<[string, string, RegExp]>([
  [
    'a field that nobody knows',
    `${VOLUME}  replica: 3\n`,
    /line 9: spec.replica: not a known field/,
  ],
  [
    'a value out of range',
    VOLUME.replace('replicas: 2', 'replicas: 9'),
    /line 8: spec.replicas: expected/,
  ],
  ['no name', VOLUME.replace('  name: a\n', ''), /line 3: metadata.name: expected/],
  ['a label that is a number', VOLUME.replace('env: prod', 'env: 7'), /line 5: .*put it in quotes/],
  ['the same key twice', `${VOLUME}  size: 1Gi\n`, /line 9: Map keys must be unique/],
  ['broken YAML', `${VOLUME}  initiators: [a\n`, /line 10: Flow sequence/],
  ['a tag of some program', `${VOLUME}  sanitize: !!python/none x\n`, /line 9: Unresolved tag/],
  ['an alias of nothing', `${VOLUME}  sanitize: *x\n`, /line 1: Unresolved alias/],
  ['no document', '# nothing\n---\n', /^standard input: expected at least one document, got none/],
  ['a list', '- a\n', /line 1: document: expected an object/],
  ['a word', 'help\n', /line 1: document: expected an object/],
])(
  'apply refuses a file with %s, names the place and sends nothing',
  async (_case, yaml, reason) => {
    const { out, error } = await apply(yaml);
    expect(error).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(reason),
    });
    expect((error as Error).message).toMatch(/^standard input(, line \d+)?: [^\n]+$/);
    expect(out).toBe('');
    expect(asked()).toEqual([]);
  },
);

test('apply refuses a wrong second document before the first is sent, and names both', async () => {
  const { error } = await apply(`${VOLUME}---\n${RULE}  weight: -1\n`);
  expect(String(error)).toContain('standard input, document 2, line 16: spec.weight: expected');
  expect(asked()).toEqual([]);
});

test('apply refuses the same volume twice, and says where it stands', async () => {
  const path = fileOf(VOLUME);
  const { error } = await typeLine(`apply -f ${path} -f ${path}`, { environment: api.environment });
  expect((error as Error).message).toBe(
    `${path}, line 1: volume default/a stands in ${path}, line 1 as well`,
  );
  expect(asked()).toEqual([]);
});

test('aliases are no way to fill the memory', async () => {
  const levels = Array.from({ length: 30 }, (_, index) => {
    return `a${index + 1}: &a${index + 1} [${Array(9).fill(`*a${index}`).join(',')}]\n`;
  });
  const { error } = await apply(`a0: &a0 x\n${levels.join('')}`);
  expect(String(error)).toContain('Excessive alias count');
});

test.each([
  ['a file that is not there', 'apply -f /none/a.yaml', /^read \/none\/a.yaml: .*ENOENT/],
  ['no file', 'apply', /apply: expected --file FILE; see keelson apply --help/],
])('apply names %s', async (_case, line, reason) => {
  const { error } = await typeLine(line, { environment: api.environment });
  expect((error as Error).message).toMatch(reason);
});

test('a CHAP file that others may read is refused before anything is sent', async () => {
  fileOf('user alice open-sesame-1\n', 'open.chap', 0o644);
  const path = fileOf(`${VOLUME}  chapSecretFile: open.chap\n`);
  const { error } = await typeLine(`apply -f ${path}`, { environment: api.environment });
  expect((error as Error).message).toMatch(/line 1: spec.chapSecretFile: .*run chmod 600/);
  expect(asked()).toEqual([]);
});

test('apply stops at the first that is refused, and says what was done and what was not', async () => {
  const [b, c] = ['b', 'c'].map((name) => VOLUME.replace('name: a', `name: ${name}`));
  api.answers = {
    [A]: EXISTING,
    'GET /v1/volumes/default/b': { ...EXISTING, labels: {} },
    'PATCH /v1/volumes/default/b': refusal('FAILED_PRECONDITION'),
  };
  const { out, error } = await apply(`${VOLUME}---\n${b}---\n${c}`);
  expect(out).toBe('volume default/a unchanged\n');
  expect(error).toMatchObject({
    code: 'FAILED_PRECONDITION',
    message:
      'standard input, document 2, line 10: the API: FAILED_PRECONDITION; 1 more behind it were not applied',
  });
});

test('apply prints what it did for programs as well', async () => {
  api.answers = { [A]: EXISTING };
  const { out } = await apply(VOLUME, '-o json');
  expect(JSON.parse(out)).toEqual([{ what: 'volume default/a', change: 'unchanged' }]);
});

test('a namespace is that of documents which name none', async () => {
  api.answers = { 'POST /v1/volumes': {} };
  const other = VOLUME.replace('name: a', 'name: a, namespace: mine'.replace(', ', '\n  '));
  expect((await apply(`${VOLUME}---\n${other}`, '-n team')).out).toBe(
    'volume team/a created\nvolume mine/a created\n',
  );
});

test('the example of the help is one that apply takes', async () => {
  api.answers = { 'POST /v1/volumes': {}, 'PUT /v1/rules/default/two-for-prod': {} };
  const text = TOPICS.find(({ name }) => name === 'manifests')?.text ?? '';
  const example = (/^ {2}apiVersion[\s\S]*?\n(?=\n)/m.exec(text)?.[0] ?? '').replace(/^ {2}/gm, '');
  fileOf('user alice open-sesame-1\n', 'data.chap', 0o600);
  const path = fileOf(example);
  const outcome = await typeLine(`apply -f ${path}`, { environment: api.environment });
  expect(outcome).toMatchObject({
    out: 'volume default/data created\nrule default/two-for-prod created\n',
    error: undefined,
  });
});
