import { ERROR_CODES, type ErrorCode } from '../../replica/common/errors.ts';
import { VERSION } from '../model/version.ts';
import type { Answer, Route } from './route.ts';
import { ref, type Schema } from './schema.ts';
import { COMPONENTS } from './schemas/components.ts';

/** What a call with parameters or a body may be refused with, whatever it does. */
const ALWAYS: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'INTERNAL', 'UNAVAILABLE'];

const NOUNS: readonly string[] = ['volumes', 'rules', 'nodes', 'events', 'registry'];

const INTRODUCTION = `Replicated block volumes. Errors are \`{ error: { code, message } }\`.

An API that listens beyond loopback, or was started with --require-token, asks for the token of the
installation: \`Authorization: Bearer TOKEN\`. It is in the file \`token\` of the orchestrator's data
directory, on Kubernetes in the Secret \`keelson-api-token\`. There every orchestrator serves the registry,
and only the one that leads the rest; others answer UNAVAILABLE.`;

/** The OpenAPI 3.1 document of these routes. */
export function makeDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: describe(route),
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Keelson', version: VERSION, description: INTRODUCTION },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: COMPONENTS,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'The token of the installation.' },
        volumeSecret: { type: 'http', scheme: 'bearer', description: 'The secret of the volume.' },
      },
    },
  };
}

function describe(route: Route): object {
  const { id, summary, body, answers } = route;
  return {
    operationId: id,
    summary,
    tags: [tagOf(route)],
    security: securityOf(route),
    parameters: parametersOf(route),
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: true, content: jsonContent(ref(body.component), body.example) },
        }),
    responses: {
      ...refusalsOf(route),
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer)]),
      ),
    },
  };
}

/** `volumes` for `/v1/volumes/…`. */
function tagOf({ path }: Route): string {
  const noun = path.split('/')[2] ?? '';
  return NOUNS.includes(noun) ? noun : 'orchestrator';
}

function securityOf({ access = 'token' }: Route): object[] {
  if (access === 'open') return [];
  return access === 'token' ? [{}, { token: [] }] : [{ volumeSecret: [] }];
}

function parametersOf({ path, query = [] }: Route): object[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  return [
    ...names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...query.map(({ name, schema: { description, ...schema } }) => ({
      ...{ name, in: 'query', required: false, description, schema },
    })),
  ];
}

function describeAnswer({ description, schema, isStream = false }: Answer): object {
  const stream = { 'text/event-stream': { schema: { type: 'string' } } };
  return { description, content: { ...jsonContent(schema), ...(isStream ? stream : {}) } };
}

/** One answer a status: codes that share one are told apart by the code. */
function refusalsOf(route: Route): Record<string, object> {
  const codes = new Set<ErrorCode>([
    ...ALWAYS,
    ...(route.access === 'open' ? [] : ['UNAUTHENTICATED' as const]),
    ...(route.body === undefined ? [] : ['TOO_LARGE' as const]),
    ...(route.refusals ?? []),
  ]);
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { http } = ERROR_CODES[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, these]) => [
      status,
      { description: these.join(', '), content: jsonContent(ref('Error')) },
    ]),
  );
}

function jsonContent(schema: Schema, example?: unknown): object {
  return { 'application/json': { schema, ...(example === undefined ? {} : { example }) } };
}
