import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openToken } from '../../../../orchestrator/api/token-file.ts';
import { ApiClient } from '../../../../orchestrator/client/api-client.ts';
import { parseOptions } from '../../../../orchestrator/options.ts';
import { rawCall } from '../support/raw-call.ts';
import { TOKEN, World } from '../support/world.ts';

const OTHER_TOKEN = TOKEN.replace(/^0/, '1');

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const FOREIGN_HOST = { host: 'keelson.example:5705' };

describe('an API that asks for the token', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ nodeCount: 1, isTokenRequired: true });
  });
  afterAll(() => world.stop());

  test.each([
    ['GET', '/v1/volumes', {}],
    ['GET', '/v1/volumes', bearer(OTHER_TOKEN)],
    ['GET', '/v1/volumes', bearer('')],
    ['GET', '/v1/volumes', bearer(TOKEN.slice(1))],
    ['GET', '/v1/volumes', { authorization: TOKEN }],
    ['GET', '/v1/volumes', { authorization: `Basic ${TOKEN}` }],
    ['POST', '/v1/volumes', {}],
    ['DELETE', '/v1/volumes/default/demo', {}],
    ['PATCH', '/v1/nodes/node1', bearer(OTHER_TOKEN)],
    ['GET', '/v1/events', {}],
    ['GET', '/v1/no-such-call', {}],
    ['GET', '/v1/volumes', { ...bearer(TOKEN), origin: 'http://evil.example' }],
  ])('refuses %s %s with %j, and tells nothing', async (method, path, headers) => {
    const answer = await rawCall(method, `${world.api.url}${path}`, { headers });
    const { status, body } = answer;
    expect([status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="keelson"']);
    expect(JSON.parse(body)).toEqual({
      error: { code: 'UNAUTHENTICATED', message: expect.any(String) },
    });
    expect(body).not.toContain(TOKEN.slice(1));
  });

  test.each([
    ['/v1/volumes', bearer(TOKEN)],
    ['/v1/volumes', { ...bearer(TOKEN), ...FOREIGN_HOST }],
    ['/healthz', {}],
    ['/readyz', FOREIGN_HOST],
  ])('answers GET %s with %j', async (path, headers) => {
    expect((await rawCall('GET', `${world.api.url}${path}`, { headers })).status).toBe(200);
  });

  test('is used by a client that has it, and refuses one that has not with a way out', async () => {
    const client = new ApiClient({ url: world.api.url, token: TOKEN });
    expect(await client.volumes()).toEqual([]);
    await expect(new ApiClient({ url: world.api.url }).volumes()).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('--token-file'),
    });
  });

  test('lets a controller in by the secret of its volume, and not by the token', async () => {
    const client = new ApiClient({ url: world.api.url, token: TOKEN });
    await client.createVolume({ namespace: 'default', name: 'demo', labels: {} });
    const { secret } = world.installation.registry.require('default/demo');
    const ask = (headers: Record<string, string>) =>
      rawCall('GET', `${world.api.url}/v1/registry/default/demo`, { headers });
    expect((await ask({ ...bearer(secret), ...FOREIGN_HOST })).status).toBe(200);
    expect((await ask(bearer(TOKEN))).status).toBe(401);
    expect((await ask({})).status).toBe(401);
  });
});

describe('an API that asks for no token', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ nodeCount: 1 });
  });
  afterAll(() => world.stop());

  test.each([
    [{}, 200],
    [{ host: '127.0.0.1' }, 200],
    [{ host: '[::1]:5705' }, 200],
    [bearer(TOKEN), 200],
    [bearer(OTHER_TOKEN), 401],
    [FOREIGN_HOST, 400],
    [{ ...FOREIGN_HOST, ...bearer(OTHER_TOKEN) }, 401],
    [{ ...FOREIGN_HOST, ...bearer(TOKEN) }, 200],
    [{ host: '127.0.0.1.evil.example' }, 400],
    [{ origin: 'http://evil.example' }, 401],
    [{ origin: 'http://evil.example', ...bearer(TOKEN) }, 401],
  ])('answers a request with %j by %i', async (headers, status) => {
    expect((await rawCall('GET', `${world.api.url}/v1/volumes`, { headers })).status).toBe(status);
  });
});

describe('the token of an installation', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'keelson-token-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const path = () => join(root, 'token');

  test('is made once, of 32 random bytes, for the owner of the file alone', () => {
    const { text } = openToken(root);
    expect(text).toMatch(/^[0-9a-f]{64}$/);
    expect(readFileSync(path(), 'utf8')).toBe(`${text}\n`);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(openToken(root).text).toBe(text);
    rmSync(path());
    expect(openToken(root).text).not.toBe(text);
  });

  test('is made anew after a crash that left half of it', () => {
    writeFileSync(`${path()}.new`, 'abc');
    expect(openToken(root).text).toMatch(/^[0-9a-f]{64}$/);
    expect(existsSync(`${path()}.new`)).toBe(false);
  });

  test.each(['', 'abc', TOKEN.toUpperCase(), `${TOKEN}0`, `${TOKEN}\n\n`])(
    'is refused when the file holds something else: %j',
    (text) => {
      writeFileSync(path(), text);
      expect(() => openToken(root)).toThrow(/token: expected 64 digits of hex.*remove the file/);
    },
  );

  test('cannot be made where nothing can be written, which is said', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => openToken(join(root, 'file'))).toThrow(/^read the token in .*: ENOTDIR/);
    expect(() => openToken(join(root, 'none'))).toThrow(/^make the token in .*: ENOENT/);
  });
});

test.each([
  [[], '127.0.0.1', false],
  [['--require-token'], '127.0.0.1', true],
  [['--listen', '127.0.0.9'], '127.0.0.9', false],
  [['--listen', '::1'], '::1', false],
  [['--listen', '0.0.0.0'], '0.0.0.0', true],
  [['--listen', '::'], '::', true],
  [['--listen', '192.0.2.1'], '192.0.2.1', true],
])('with the options %j the API listens on %s and asks for the token: %p', (words, host, asks) => {
  expect(parseOptions(words, {})).toMatchObject({ apiHost: host, isTokenRequired: asks });
});

test.each(['localhost', '', '1.2.3', '0.0.0.0:5705'])('the API cannot listen on %j', (address) => {
  expect(() => parseOptions(['--listen', address], {})).toThrow('--listen: expected an IP address');
});
