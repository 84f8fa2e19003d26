import type { Access } from '../../../../orchestrator/kubernetes/access.ts';
import { KubeClient } from '../../../../orchestrator/kubernetes/client.ts';
import {
  CONFIG_MAPS,
  NAMESPACES,
  SECRETS,
  VOLUMES,
} from '../../../../orchestrator/kubernetes/resources.ts';
import { TRANSPORT_LIMITS } from '../../../../orchestrator/kubernetes/transport.ts';
import { NAMESPACE, PlayedServer, status } from './played-server.ts';
import { Responder } from './responder.ts';

const NAME = { namespace: NAMESPACE, name: 'a' };
const MAP = { metadata: NAME, data: { value: 'x' } };
const STORED = {
  metadata: { ...NAME, uid: 'u1', resourceVersion: '7', managedFields: [{ manager: 'kubectl' }] },
  data: { value: 'x' },
};

let responder: Responder;
let client: KubeClient;
beforeEach(async () => {
  responder = await Responder.start();
  client = new KubeClient(responder.access());
});
afterEach(async () => {
  client.close();
  await responder.stop();
});

test('each call goes to the path of its object, with what belongs to it', async () => {
  responder.answer = () => ({ status: 200, body: STORED });
  await client.get(CONFIG_MAPS, NAME);
  await client.create(CONFIG_MAPS, MAP);
  await client.replace(CONFIG_MAPS, MAP);
  await client.patch(CONFIG_MAPS, NAME, { data: { value: null } });
  await client.remove(CONFIG_MAPS, NAME, { uid: 'u1', graceSeconds: 0, propagation: 'foreground' });
  await client.replace(VOLUMES, { metadata: NAME }, 'status');
  const path = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
  const whole = { apiVersion: 'v1', kind: 'ConfigMap', ...MAP };
  const [json, merge] = ['application/json', 'application/merge-patch+json'];
  expect(responder.asked).toEqual([
    { method: 'GET', path: `${path}/a`, type: undefined, body: undefined },
    { method: 'POST', path, type: json, body: whole },
    { method: 'PUT', path: `${path}/a`, type: json, body: whole },
    { method: 'PATCH', path: `${path}/a`, type: merge, body: { data: { value: null } } },
    {
      ...{ method: 'DELETE', path: `${path}/a`, type: json },
      body: {
        ...{ kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Foreground' },
        ...{ preconditions: { uid: 'u1' }, gracePeriodSeconds: 0 },
      },
    },
    {
      ...{ method: 'PUT', type: json },
      path: `/apis/keelson.io/v1alpha1/namespaces/${NAMESPACE}/volumes/a/status`,
      body: { apiVersion: 'keelson.io/v1alpha1', kind: 'Volume', metadata: NAME },
    },
  ]);
  expect(client.requestCount).toBe(6);
});

test('what comes back says what it is, and leaves out who changed which field', async () => {
  responder.answer = () => ({ status: 200, body: STORED });
  const { managedFields: _, ...metadata } = STORED.metadata;
  expect(await client.get(CONFIG_MAPS, NAME)).toEqual({
    ...{ apiVersion: 'v1', kind: 'ConfigMap', data: STORED.data },
    metadata,
  });
});

test('a list is asked for page by page, by label and name', async () => {
  const server = await PlayedServer.start();
  const own = new KubeClient(server.access);
  server.pageObjects = 3;
  for (let index = 0; index < 8; index += 1) server.put(`m${index}`, 'x');
  const query = { namespace: NAMESPACE, labels: { a: 'b', 'c/d': 'e' }, name: 'm' };
  const found = await own.list(CONFIG_MAPS, query);
  expect(found.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(
    Array.from({ length: 8 }, (_, index) => `ConfigMap m${index}`),
  );
  const [first, ...others] = server.requests.map(({ searchParams }) => searchParams);
  expect(Object.fromEntries(first ?? [])).toEqual({
    ...{ labelSelector: 'a=b,c/d=e', fieldSelector: 'metadata.name=m', limit: '500' },
  });
  expect(others.map((params) => params.get('continue'))).toEqual(['3', '6']);
  own.close();
  await server.stop();
});

test('a list that the server forgot in the middle is begun anew', async () => {
  const server = await PlayedServer.start();
  const own = new KubeClient(server.access);
  server.pageObjects = 1;
  server.put('a', 'x');
  server.put('b', 'x');
  let refusals = 0;
  server.refuse = (asked) => {
    if (!asked.searchParams.has('continue') || refusals === 1) return undefined;
    refusals += 1;
    return { status: 410, body: status(410, 'Expired', 'the continue token is too old') };
  };
  expect(await own.list(CONFIG_MAPS, { namespace: NAMESPACE })).toHaveLength(2);
  expect(server.requests).toHaveLength(4);
  own.close();
  await server.stop();
});

const OBJECT = { name: 'a', kind: 'configmaps' };

test.each([
  [409, 'AlreadyExists', 'ALREADY_EXISTS'],
  [409, 'Conflict', 'CONFLICT'],
  [410, 'Gone', 'CONFLICT'],
  [404, 'NotFound', 'NOT_FOUND'],
  [403, 'Forbidden', 'FAILED_PRECONDITION'],
  [400, 'BadRequest', 'INVALID_ARGUMENT'],
  [413, 'RequestEntityTooLarge', 'INVALID_ARGUMENT'],
  [422, 'Invalid', 'INVALID_ARGUMENT'],
  [401, 'Unauthorized', 'UNAVAILABLE'],
  [500, 'InternalError', 'UNAVAILABLE'],
  [503, 'ServiceUnavailable', 'UNAVAILABLE'],
])('HTTP status %d %s is %s, in one sentence with the words of the server', async (...row) => {
  const [code, reason, expected] = row;
  responder.answer = () => ({ status: code, body: status(code, reason, 'so\n it is', OBJECT) });
  await expect(client.create(CONFIG_MAPS, MAP)).rejects.toMatchObject({
    code: expected,
    message: 'create ConfigMap demo/a: the Kubernetes API said: so it is',
  });
});

test('an object that does not exist is undefined, and removing it succeeds', async () => {
  responder.answer = () => ({ status: 404, body: status(404, 'NotFound', 'no', OBJECT) });
  expect(await client.get(CONFIG_MAPS, NAME)).toBeUndefined();
  await client.remove(CONFIG_MAPS, NAME);
});

test('a kind that the server does not have is an error that says what to do', async () => {
  responder.answer = () => ({ status: 404, body: '404 page not found\n' });
  const expected = {
    code: 'NOT_FOUND',
    message: expect.stringMatching(
      /^get Volume demo\/a: .*404 page not found.*manifests\/kubernetes\/base\/crds/,
    ),
  };
  await expect(client.get(VOLUMES, NAME)).rejects.toMatchObject(expected);
});

test('removing one of which another has taken the name removes nothing, and is no error', async () => {
  const conflict = { status: 409, body: status(409, 'Conflict', 'the UID differs') };
  responder.answer = (asked) =>
    asked.method === 'DELETE' ? conflict : { status: 200, body: STORED };
  await client.remove(CONFIG_MAPS, NAME, { uid: 'u0' });
  await expect(client.remove(CONFIG_MAPS, NAME, { uid: 'u1' })).rejects.toMatchObject({
    code: 'CONFLICT',
  });
});

test('what the server says of a Secret is not repeated', async () => {
  responder.answer = () => ({
    status: 400,
    body: status(400, 'BadRequest', 'illegal base64 data in "hunter2"'),
  });
  const error: unknown = await client
    .create(SECRETS, { metadata: NAME, data: { key: 'hunter2' } })
    .catch((thrown: unknown) => thrown);
  expect(String(error)).toContain('create Secret demo/a: the Kubernetes API said: BadRequest');
  expect(String(error)).not.toContain('hunter2');
});

test('no error has the token in it', async () => {
  const token = 'very-secret-token';
  const access = responder.access({ authorization: `Bearer ${token}` });
  const own = new KubeClient(access);
  responder.answer = () => ({ status: 401, body: status(401, 'Unauthorized', 'Unauthorized') });
  const refused: unknown = await own.get(CONFIG_MAPS, NAME).catch((error: unknown) => error);
  await responder.stop();
  const unreachable: unknown = await own.get(CONFIG_MAPS, NAME).catch((error: unknown) => error);
  for (const error of [refused, unreachable]) {
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(JSON.stringify(error) + String((error as Error).cause)).not.toContain(token);
    expect(String(error)).not.toContain(token);
  }
  expect(String(unreachable)).toMatch(
    /get ConfigMap demo\/a: the Kubernetes API at http:\/\/127\.0\.0\.1:\d+ does not answer: .*ECONNREFUSED/,
  );
  own.close();
});

test.each([
  ['a page of a proxy', '<!doctype html>'],
  ['no object', '[]'],
  ['one without a name', { metadata: { uid: 'u', resourceVersion: '1', namespace: 'demo' } }],
  ['one without a version', { metadata: { ...NAME, uid: 'u' } }],
  ['one without a namespace', { metadata: { name: 'a', uid: 'u', resourceVersion: '1' } }],
  ['a version that is no text', { metadata: { ...NAME, uid: 'u', resourceVersion: 1 } }],
])('an answer that no API server gives is not believed: %s', async (_, body) => {
  responder.answer = () => ({ status: 200, body });
  await expect(client.get(CONFIG_MAPS, NAME)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test.each([
  ['no items', { metadata: { resourceVersion: '1' }, items: {} }],
  ['no version', { metadata: {}, items: [] }],
  ['one that is none', { metadata: { resourceVersion: '1' }, items: [{}] }],
])('a list that no API server gives is not believed: %s', async (_, body) => {
  responder.answer = () => ({ status: 200, body });
  await expect(client.list(CONFIG_MAPS)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a list of nothing may be null', async () => {
  responder.answer = () => ({
    status: 200,
    body: { metadata: { resourceVersion: '1' }, items: null },
  });
  expect(await client.list(NAMESPACES)).toEqual([]);
});

test('an answer that does not come or does not end is given up', async () => {
  const own = new KubeClient(responder.access(), { ...TRANSPORT_LIMITS, answerMs: 50 });
  responder.answer = () => 'nothing';
  const late = { code: 'UNAVAILABLE', message: expect.stringContaining('no answer within 0.05 s') };
  await expect(own.get(CONFIG_MAPS, NAME)).rejects.toMatchObject(late);
  responder.answer = () => 'a beginning';
  await expect(own.get(CONFIG_MAPS, NAME)).rejects.toMatchObject(late);
  own.close();
});

test('an answer is taken up to the limit', async () => {
  const body = JSON.stringify({ ...STORED, data: { value: 'x'.repeat(1000) } });
  responder.answer = () => ({ status: 200, body });
  const limited = (answerBytes: number) =>
    new KubeClient(responder.access(), { ...TRANSPORT_LIMITS, answerBytes });
  const enough = limited(body.length);
  expect(await enough.get(CONFIG_MAPS, NAME)).toBeDefined();
  const tooFew = limited(body.length - 1);
  await expect(tooFew.get(CONFIG_MAPS, NAME)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(`more than ${body.length - 1} bytes`),
  });
  enough.close();
  tooFew.close();
});

test('a server that is busy is asked again, for a while', async () => {
  const busy = { status: 429, body: status(429, 'TooManyRequests', 'busy'), retryAfter: '0.01' };
  let refusals = 0;
  responder.answer = () => {
    refusals += 1;
    return refusals === 1 ? busy : { status: 200, body: STORED };
  };
  expect(await client.create(CONFIG_MAPS, MAP)).toBeDefined();
  responder.answer = () => busy;
  await expect(client.create(CONFIG_MAPS, MAP)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(responder.asked).toHaveLength(2 + 3);
});

test('connections are used again, and a read outlives one that the server has just closed', async () => {
  responder.answer = () => ({ status: 200, body: STORED });
  await client.get(CONFIG_MAPS, NAME);
  await client.get(CONFIG_MAPS, NAME);
  expect(responder.connectionCount).toBe(1);
  responder.answer = (asked) => {
    // The next question meets a connection that is closed.
    if (responder.connectionCount === 1 && asked.method === 'GET') return 'reset';
    return { status: 200, body: STORED };
  };
  expect(await client.get(CONFIG_MAPS, NAME)).toBeDefined();
  expect(responder.connectionCount).toBe(2);
});

test('a change is not sent twice when its answer is lost', async () => {
  responder.answer = () => ({ status: 200, body: STORED });
  await client.get(CONFIG_MAPS, NAME);
  responder.answer = () => 'reset';
  await expect(client.create(CONFIG_MAPS, MAP)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(responder.asked.filter(({ method }) => method === 'POST')).toHaveLength(1);
});

test('credentials are asked for anew with each request', async () => {
  let number = 0;
  const { server } = responder.access();
  const access: Access = {
    server,
    credentials: async () => {
      number += 1;
      return { headers: { authorization: `Bearer t${number}` }, tls: {} };
    },
  };
  responder.answer = () => ({ status: 200, body: STORED });
  const own = new KubeClient(access);
  await own.get(CONFIG_MAPS, NAME);
  await own.get(CONFIG_MAPS, NAME);
  expect(responder.authorizations).toEqual(['Bearer t1', 'Bearer t2']);
  own.close();
});

test('a connection that was opened with other certificates is not used again', async () => {
  let cert = 'first';
  const { server } = responder.access();
  const credentials = async () => ({ headers: {}, tls: { cert: Buffer.from(cert) } });
  responder.answer = () => ({ status: 200, body: STORED });
  const own = new KubeClient({ server, credentials });
  await own.get(CONFIG_MAPS, NAME);
  await own.get(CONFIG_MAPS, NAME);
  expect(responder.connectionCount).toBe(1);
  cert = 'second';
  await own.get(CONFIG_MAPS, NAME);
  expect(responder.connectionCount).toBe(2);
  own.close();
});
