import { sendJson } from './http.ts';
import { makeDocument } from './openapi.ts';
import type { Route } from './route.ts';
import { ABOUT_ROUTES } from './routes/about.ts';
import { EVENT_ROUTES } from './routes/events.ts';
import { NODE_ROUTES } from './routes/nodes.ts';
import { REGISTRY_ROUTES } from './routes/registry.ts';
import { RULE_ROUTES } from './routes/rules.ts';
import { VOLUME_ROUTES } from './routes/volumes.ts';

/** All calls of the API, which the document describes as they are. */
export const ROUTES: readonly Route[] = [
  ...ABOUT_ROUTES,
  {
    method: 'GET',
    path: '/v1/openapi.json',
    id: 'readDocument',
    summary: 'This document.',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: { type: 'object' } } },
    handle: ({ response }) => sendJson(response, 200, makeDocument(ROUTES)),
  },
  ...VOLUME_ROUTES,
  ...RULE_ROUTES,
  ...NODE_ROUTES,
  ...EVENT_ROUTES,
  ...REGISTRY_ROUTES,
];
