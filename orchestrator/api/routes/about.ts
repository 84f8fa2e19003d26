import { KeelsonError } from '../../../replica/common/errors.ts';
import { sendJson } from '../http.ts';
import type { Route } from '../route.ts';
import { ref } from '../schema.ts';

export const ABOUT_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/healthz',
    access: 'open',
    id: 'isAlive',
    summary: 'The orchestrator answers.',
    answers: { 200: { description: 'It does.', schema: ref('Empty') } },
    handle: ({ response }) => sendJson(response, 200, {}),
  },
  {
    method: 'GET',
    path: '/readyz',
    access: 'open',
    id: 'isReady',
    summary: 'The registry is served, and volumes are looked after, here or by who leads.',
    answers: { 200: { description: 'It has.', schema: ref('Empty') } },
    handle: ({ isServed, response }) => {
      if (!isServed) {
        throw new KeelsonError('UNAVAILABLE', 'the orchestrator looks at its nodes');
      }
      sendJson(response, 200, {});
    },
  },
  {
    method: 'GET',
    path: '/v1/version',
    id: 'version',
    summary: 'What answers, and where it runs controllers and replicas.',
    answers: { 200: { description: 'The version.', schema: ref('Version') } },
    handle: ({ installation, response }) => sendJson(response, 200, installation.version()),
  },
];
