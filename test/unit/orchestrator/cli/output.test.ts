import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type as typeLine, typeOk } from '../support/command-line.ts';
import { FakeApi, Raw } from '../support/fake-api.ts';

let api: FakeApi;
beforeAll(async () => {
  api = await FakeApi.start();
});
beforeEach(() => {
  api.answers = {};
  api.take();
});
afterAll(() => api.stop());

const typed = (line: string) => typeOk(line, { environment: api.environment });

const COPY = { process: 'ready', isConnected: true, isLeaving: false };
const VOLUME = {
  ...{ namespace: 'default', name: 'a', sizeBytes: 2 ** 30, servedBytes: 2 ** 30, replicas: 1 },
  ...{ failureMode: 'soft', failureTolerance: 1, labels: { env: 'prod' }, defaults: {} },
  ...{ chap: 'one-way', initiators: [], isDeleting: false, health: 'degraded', notes: [] },
  ...{ portal: '127.0.1.1:3260', targetName: 'iqn:a' },
  membership: { version: 1, epoch: 2, generation: 3 },
  controller: { process: 'ready', sessions: 0 },
  origins: {
    replicas: 'rule default/two',
    failureMode: 'label keelson.io/failure-mode',
    failureTolerance: 'defaults',
    initiators: 'built in',
    allowsSanitize: 'built in',
  },
  copies: [
    { ...COPY, replicaId: 'r1', node: 'node1', state: 'in-sync', isPrimary: true },
    { ...COPY, replicaId: 'r2', node: 'node2', state: 'syncing', isPrimary: false },
  ],
};

test('N10 volume inspect tells which rule or default decided what the labels did not', async () => {
  api.answers = {
    'GET /v1/volumes/default/a': {
      ...VOLUME,
      defaults: { 'keelson.io/failure-tolerance': '1' },
      notes: ['rule default/six wants more nodes than there are'],
    },
  };
  const text = await typed('volume inspect a');
  expect(text).toMatch(/^Replicas: +1 \(2 copies\), by rule default\/two$/m);
  expect(text).toMatch(/^Failure mode: +soft, tolerance 1, by defaults$/m);
  expect(text).toMatch(/^Initiators: +all$/m);
  expect(text).toMatch(/^Labels: +env=prod$/m);
  expect(text).toMatch(/^Defaults: +keelson.io\/failure-tolerance=1$/m);
  expect(text).toMatch(/^Note: +rule default\/six wants more nodes/m);
});

test('volume ls -o wide adds copies, CHAP, labels and target to the columns of the table', async () => {
  api.answers = { 'GET /v1/volumes': [VOLUME] };
  const [table, wide] = [await typed('volume ls'), await typed('volume ls -o wide')].map((text) =>
    text.split('\n').map((line) => line.split(/ {2,}/)),
  );
  expect(table?.[0]).not.toContain('COPIES');
  expect(wide?.[0]).toEqual([...(table?.[0] ?? []), 'COPIES', 'CHAP', 'LABELS', 'TARGET']);
  expect(wide?.[1]).toEqual([
    ...(table?.[1] ?? []),
    ...['node1*,node2(syncing)', 'one-way', 'env=prod', 'iqn:a'],
  ]);
});

test('what JSON and YAML show is what the API answered', async () => {
  api.answers = { 'GET /v1/volumes': [VOLUME] };
  expect(JSON.parse(await typed('volume ls -o json'))).toEqual([VOLUME]);
  expect(parse(await typed('volume ls -o yaml'))).toEqual([VOLUME]);
});

test('N10 rules are listed with what they say and how many volumes they select', async () => {
  const rule = {
    ...{ namespace: 'default', name: 'two', selector: 'env==prod', action: 'add', weight: 3 },
    ...{ labels: { 'storageos.com/replicas': '2' }, volumes: ['default/a', 'default/b'] },
  };
  const all = { ...rule, name: 'all', selector: '', volumes: [] };
  api.answers = { 'GET /v1/rules': [rule, all], 'GET /v1/rules/default/two': rule };
  expect(await typed('rule ls')).toBe(
    `RULE         WEIGHT  SELECTOR        ACTION  LABELS                    VOLUMES
default/two  3       env==prod       add     storageos.com/replicas=2  2
default/all  3       all of default  add     storageos.com/replicas=2  0
`,
  );
  expect(await typed('rule ls -o wide')).toContain('default/a,default/b\n');
  expect(await typed('rule inspect two')).toMatch(/^Volumes: +default\/a default\/b$/m);
});

test('nodes are listed with their state, and inspected with their copies', async () => {
  const node = {
    ...{ name: 'node1', address: '127.0.0.11', directory: '/n1', copyCount: 1, downReason: null },
    copies: [{ volume: 'default/a', replicaId: 'r1', state: 'in-sync' }],
    ...{ isCordoned: true, isDraining: true },
  };
  const down = { ...node, name: 'node2', downReason: 'no disk', isDraining: false };
  const cordoned = { ...node, name: 'node3', isDraining: false };
  api.answers = {
    'GET /v1/nodes': [node, down, cordoned],
    'GET /v1/nodes/node1': node,
    'GET /v1/nodes/node2': down,
  };
  const list = await typed('node ls -o wide');
  expect(list).toMatch(/^node1 +draining +127.0.0.11 +1 +\/n1 +default\/a$/m);
  expect(list).toMatch(/^node2 +down +.*no disk +default\/a$/m);
  expect(list).toMatch(/^node3 +cordoned /m);
  expect(await typed('node inspect node1')).toMatch(
    /State: +draining\n(?:.*\n)*\nVOLUME +COPY +STATE\ndefault\/a +r1 +in-sync\n$/,
  );
  expect(await typed('node inspect node2')).toMatch(/State: +down: no disk\n/);
});

const EVENT = {
  sequence: 7,
  time: '2026-11-21T10:20:30.456Z',
  volume: 'default/a',
  message: 'created',
};

test('events are shown with day and time, with -o wide with their number', async () => {
  api.answers = { 'GET /v1/events?since=0&follow=false': [EVENT] };
  expect(await typed('events')).toBe('2026-11-21 10:20:30.456  default/a  created\n');
  expect(await typed('events -o wide')).toBe('7  2026-11-21 10:20:30.456  default/a  created\n');
});

test.each([
  ['table', '2026-11-21 10:20:30.456  default/a  created\n'],
  ['json', `${JSON.stringify(EVENT)}\n`],
  [
    'yaml',
    '---\nsequence: 7\ntime: 2026-11-21T10:20:30.456Z\nvolume: default/a\nmessage: created\n',
  ],
])('events --follow -o %s prints each as it comes, and Ctrl-C is its end', async (output, text) => {
  const stream = `: events\n\ndata: ${JSON.stringify(EVENT)}\n\n`;
  api.answers = { 'GET /v1/events?namespace=team&since=0': new Raw(stream, { isWhole: false }) };
  const ended = new AbortController();
  const line = `events -n team --follow -o ${output}`;
  const outcome = await typeLine(line, {
    environment: api.environment,
    signal: ended.signal,
    onOutput: () => ended.abort(),
  });
  expect(outcome).toEqual({ out: text, notes: '', error: undefined });
});

test('volume watch shows what happens to one volume above its copies', async () => {
  const ended = new AbortController();
  const stream = `data: ${JSON.stringify(EVENT)}\n\n`;
  api.answers = {
    'GET /v1/volumes/default/a': VOLUME,
    'GET /v1/events?volume=default%2Fa&follow=false': [],
    'GET /v1/events?volume=default%2Fa&since=0': new Raw(stream, { isWhole: false }),
  };
  let shown = '';
  const { error } = await typeLine('volume watch a', {
    environment: api.environment,
    ...{ signal: ended.signal, isInteractive: true },
    onOutput: (text) => {
      shown += text;
      if (shown.includes('created') && shown.includes('syncing')) ended.abort();
    },
  });
  expect(error).toBeUndefined();
  expect(shown).toContain('10:20:30.456  default/a: created\n');
  expect(shown).toMatch(/VOLUME +SIZE .*\ndefault\/a .*\n\ndefault\/a\nCOPY +NODE/);
});

test('version tells both versions, or its own alone without asking anybody', async () => {
  api.answers = { 'GET /v1/version': { version: '9.8.7', platform: 'docker' } };
  expect(await typed('version')).toMatch(
    /^client +\d+\.\d+\.\d+\norchestrator +9\.8\.7, platform docker\n$/,
  );
  api.take();
  expect(JSON.parse(await typed('version --client -o json'))).toEqual({
    client: expect.stringMatching(/^\d+\.\d+\.\d+$/),
  });
  expect(api.take()).toEqual([]);
});

describe('the token', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-token-'));
    writeFileSync(join(directory, 'token'), 'from-file\n');
    writeFileSync(join(directory, 'empty'), '\n');
    writeFileSync(join(directory, 'two'), 'one\ntwo\n');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const fileOf = (name: string) => join(directory, name);
  async function shownWith(line: string, environment: Record<string, string>) {
    api.answers = { 'GET /v1/nodes': [] };
    api.take();
    const all = { ...api.environment, ...environment };
    const { error } = await typeLine(line, { environment: all });
    return error ?? api.take().map(({ headers }) => headers.authorization);
  }

  test('comes from the file that is named, then from the environment', async () => {
    const environment = { KEELSON_TOKEN: 'from-text', KEELSON_TOKEN_FILE: fileOf('none') };
    const line = `node ls --token-file ${fileOf('token')}`;
    expect(await shownWith(line, environment)).toEqual(['Bearer from-file']);
    const file = { ...environment, KEELSON_TOKEN_FILE: fileOf('token') };
    expect(await shownWith('node ls', file)).toEqual(['Bearer from-file']);
    expect(await shownWith('node ls', { KEELSON_TOKEN: 'from-text' })).toEqual([
      'Bearer from-text',
    ]);
    expect(await shownWith('node ls', {})).toEqual([undefined]);
  });

  test.each([
    ['is not there', { KEELSON_TOKEN_FILE: '/none/token' }, /^read the token file: .*ENOENT/],
    ['is no token', { KEELSON_TOKEN: 'secret one' }, /^\$KEELSON_TOKEN: expected one token/],
  ])('is refused before anybody sees it when it %s', async (_case, environment, reason) => {
    const error = (await shownWith('node ls', environment)) as Error;
    expect(error.message).toMatch(reason);
    expect(error.message).not.toContain('secret');
    expect(api.take()).toEqual([]);
  });

  test.each(['empty', 'two'])('is refused when its file is wrong: %s', async (name) => {
    const error = (await shownWith('node ls', { KEELSON_TOKEN_FILE: fileOf(name) })) as Error;
    expect(error.message).toMatch(/expected one token of 1 to 256 visible characters/);
    expect(api.take()).toEqual([]);
  });
});
