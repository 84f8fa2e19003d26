import { readFileSync } from 'node:fs';
import { ROUTES } from '../../../../orchestrator/api/routes.ts';
import { VERSION } from '../../../../orchestrator/model/version.ts';
import {
  API_DOCUMENT,
  type JsonSchema,
  type Operation,
  whyInvalid,
  whyUndocumented,
} from '../../../support/api-document.ts';
import { badBodies, edgeBodies, type Fields } from '../support/bad-bodies.ts';
import { rawCall } from '../support/raw-call.ts';
import { World } from '../support/world.ts';

interface Call {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

const CALLS: readonly Call[] = Object.entries(API_DOCUMENT.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({
    ...{ method: method.toUpperCase(), path, operation },
  })),
);
const TITLES: [string, Call][] = CALLS.map((call) => [`${call.method} ${call.path}`, call]);
const WITH_BODY = TITLES.filter(([, { operation }]) => operation.requestBody !== undefined);

/** What there is of each kind when a call is tried. */
const NAMES: Readonly<Record<string, string>> = { namespace: 'default', node: 'node3' };

let world: World;

/** With one of each kind. */
async function startWorld(): Promise<void> {
  world = await World.start();
  await world.client.createRule({
    ...{ namespace: 'default', name: 'known', selector: '', action: 'add', weight: 0 },
    labels: { 'keelson.io/failure-mode': 'hard' },
  });
  await world.client.createVolume({ namespace: 'default', name: 'known', labels: { env: 'prod' } });
}

function urlOf(path: string): string {
  return world.api.url + path.replace(/\{(\w+)\}/g, (_, name: string) => NAMES[name] ?? 'known');
}

function headersFor(path: string): Record<string, string> {
  const { secret } = world.installation.registry.require('default/known');
  return path.startsWith('/v1/registry/') ? { authorization: `Bearer ${secret}` } : {};
}

function send({ method, path }: Call, body?: unknown, query = '') {
  const headers = headersFor(path);
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  return rawCall(method, urlOf(path) + query, { headers, ...sent });
}

function exampleOf({ requestBody }: Operation): unknown {
  return requestBody?.content['application/json']?.example;
}

function bodySchemaOf({ requestBody }: Operation): string {
  const { $ref = '' } = (requestBody?.content['application/json']?.schema ?? {}) as JsonSchema;
  return $ref.slice('#/components/schemas/'.length);
}

describe('the document of the API', () => {
  beforeAll(startWorld);
  afterAll(() => world.stop());

  test('is what the server sends, and is OpenAPI 3.1 in which every reference leads somewhere', async () => {
    const answer = await rawCall('GET', `${world.api.url}/v1/openapi.json`);
    expect(JSON.parse(answer.body)).toEqual(API_DOCUMENT);
    expect(API_DOCUMENT.openapi).toBe('3.1.0');
    const ids = CALLS.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const refs = [...answer.body.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    const known = Object.keys(API_DOCUMENT.components.schemas);
    expect(refs.length).toBeGreaterThan(20);
    expect(refs.map(([, name]) => name).filter((name) => !known.includes(name ?? ''))).toEqual([]);
  });

  test('the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(VERSION).toBe(version);
    const answer = await rawCall('GET', `${world.api.url}/v1/version`);
    expect(JSON.parse(answer.body)).toEqual({ version, platform: 'process' });
  });

  test('describes every call that the server has, and no other', () => {
    expect(TITLES.map(([title]) => title).sort()).toEqual(
      ROUTES.map(({ method, path }) => `${method} ${path}`).sort(),
    );
  });

  test.each(TITLES)('names what the path of %s stands for', (_, { path, operation }) => {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const parameters = operation.parameters.filter((parameter) => parameter.in === 'path');
    expect(parameters.map(({ name }) => name)).toEqual(names);
  });

  test.each(Object.keys(API_DOCUMENT.components.schemas))('has a schema %s that holds', (name) => {
    // Compiled in strict mode: an unknown word or a loose end throws.
    expect(whyInvalid(['components', 'schemas', name], Symbol('no JSON'))).not.toMatch(/^nothing/);
  });

  test.each(TITLES)('names all that may be asked of %s', async (_, call) => {
    const { status, body } = await send(call, exampleOf(call.operation), '?surprise=1');
    expect([status, body]).toEqual([400, expect.stringContaining('query surprise: not known')]);
    for (const { name, in: place } of call.operation.parameters) {
      if (place !== 'query' || name === 'selector') continue;
      for (const query of [`?${name}=-`, `?${name}=a&${name}=a`]) {
        const refused = await send(call, exampleOf(call.operation), query);
        expect([refused.status, refused.body]).toEqual([
          400,
          expect.stringContaining(`query ${name}: expected`),
        ]);
      }
    }
  });

  test.each(WITH_BODY)(
    'says of %s what the server refuses, which names the field',
    async (_, call) => {
      const schema = bodySchemaOf(call.operation);
      const bodies = badBodies(schema, exampleOf(call.operation));
      expect(bodies.length).toBeGreaterThan(5);
      for (const { body, path } of bodies) {
        expect([body, whyInvalid(['components', 'schemas', schema], body)]).toEqual([
          body,
          expect.any(String),
        ]);
        const answer = await send(call, body);
        expect([body, answer.status]).toEqual([body, 400]);
        const { code, message } = JSON.parse(answer.body).error;
        expect(code).toBe('INVALID_ARGUMENT');
        const isNamed = path.length === 0 || path.some((field) => message.includes(field));
        expect([path, message, isNamed]).toEqual([path, message, true]);
      }
    },
  );
});

describe('each call of the document', () => {
  beforeEach(startWorld);
  afterEach(() => world.stop());

  test.each(TITLES)(
    'has an example for %s that the server takes, and an answer',
    async (_, call) => {
      const isStream = call.operation.operationId === 'readEvents';
      const example = exampleOf(call.operation);
      if (example !== undefined) {
        expect(
          whyInvalid(['components', 'schemas', bodySchemaOf(call.operation)], example),
        ).toBeUndefined();
      }
      const query = isStream ? '?follow=false' : call.method === 'DELETE' ? '?force=true' : '';
      const hasQuery = call.operation.parameters.some((parameter) => parameter.in === 'query');
      // rawCall sees to it that the answer is one of those that the document describes.
      const { status } = await send(call, example, hasQuery ? query : '');
      expect([200, 201]).toContain(status);
    },
  );
});

describe('at the limits that the document names', () => {
  beforeAll(startWorld);
  afterAll(() => world.stop());

  test.each(WITH_BODY)('%s is not refused for its form', async (_, call) => {
    for (const body of edgeBodies(
      bodySchemaOf(call.operation),
      exampleOf(call.operation) as Fields,
    )) {
      const answer = await send(call, body);
      expect([body, answer.body]).not.toEqual([body, expect.stringContaining('INVALID_ARGUMENT')]);
    }
  });
});

describe('an answer that the document does not describe is found', () => {
  const answer = {
    ...{ method: 'GET', pathname: '/v1/version', status: 200 },
    contentType: 'application/json; charset=utf-8',
  };
  const version = { version: VERSION, platform: 'process' };

  test.each<[string, object, object, string | undefined]>([
    ['as it is', {}, version, undefined],
    ['with a field too many', {}, { ...version, more: 1 }, 'additional properties'],
    ['with a field too few', {}, { version: VERSION }, "must have required property 'platform'"],
    ['with another value', {}, { ...version, platform: 'moon' }, 'allowed values'],
    ['with another status', { status: 202 }, version, '202 with application/json'],
    ['as text', { contentType: 'text/plain' }, version, '200 with text/plain'],
  ])('%s', (_, changes, body, reason) => {
    const why = whyUndocumented({ ...answer, ...changes, body: JSON.stringify(body) });
    if (reason === undefined) expect(why).toBeUndefined();
    else expect(why).toContain(reason);
  });
});
