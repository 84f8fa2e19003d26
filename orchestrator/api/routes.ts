import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeMembership } from '../../controller/protocol/membership.ts';
import { ERROR_CODES, KeelsonError } from '../../replica/common/errors.ts';
import { readBoolean, readObject } from '../../replica/common/validate.ts';
import type { Installation, RegistrationWait } from '../installation/installation.ts';
import { decodeVolumeUpdate } from '../model/update.ts';
import { addressOf, decodeVolumeRequest, refuseUnknownFields } from '../model/volume.ts';
import { type Access, bearerToken } from './access.ts';
import { streamEvents } from './event-stream.ts';
import { readJsonBody, sendJson } from './http.ts';

export interface Exchange {
  readonly installation: Installation;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What the `*` of the route's path stand for. */
  readonly names: readonly string[];
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** By default `token`. */
  readonly access?: Access;
  readonly query?: readonly string[];
  readonly handle: (exchange: Exchange) => Promise<void> | void;
}

/** A creation answers when the portal does, so that a script can log in right away; or after this. */
const READY_WAIT_MS = 3_000;

export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/healthz',
    access: 'open',
    handle: ({ response }) => sendJson(response, 200, {}),
  },
  {
    method: 'GET',
    path: '/readyz',
    access: 'open',
    handle: ({ response }) => sendJson(response, 200, {}),
  },
  { method: 'POST', path: '/v1/volumes', handle: createVolume },
  { method: 'GET', path: '/v1/volumes', query: ['namespace'], handle: listVolumes },
  { method: 'GET', path: '/v1/volumes/*/*', handle: inspectVolume },
  { method: 'PATCH', path: '/v1/volumes/*/*', handle: updateVolume },
  { method: 'DELETE', path: '/v1/volumes/*/*', query: ['force'], handle: deleteVolume },
  {
    method: 'GET',
    path: '/v1/nodes',
    handle: ({ installation, response }) => sendJson(response, 200, installation.nodes()),
  },
  { method: 'PATCH', path: '/v1/nodes/*', handle: changeNode },
  {
    method: 'GET',
    path: '/v1/events',
    handle: ({ installation, request, response }) =>
      streamEvents(installation.events, request, response),
  },
  {
    method: 'GET',
    path: '/v1/registry/*/*',
    access: 'volume-secret',
    query: ['after'],
    handle: readRegistration,
  },
  {
    method: 'PUT',
    path: '/v1/registry/*/*/membership',
    access: 'volume-secret',
    handle: changeMembership,
  },
];

async function createVolume({ installation, request, response }: Exchange): Promise<void> {
  const wanted = decodeVolumeRequest(await readJsonBody(request));
  const { isNew } = await installation.create(wanted);
  const address = addressOf(wanted);
  await installation.whenReady(address, READY_WAIT_MS);
  sendJson(response, isNew ? 201 : 200, await installation.view(address));
}

async function listVolumes({ installation, response, query }: Exchange): Promise<void> {
  sendJson(response, 200, await installation.views(query.get('namespace') ?? undefined));
}

async function inspectVolume(exchange: Exchange): Promise<void> {
  sendJson(exchange.response, 200, await exchange.installation.view(addressIn(exchange)));
}

async function updateVolume(exchange: Exchange): Promise<void> {
  const { installation, request, response } = exchange;
  const address = addressIn(exchange);
  await installation.update(address, decodeVolumeUpdate(await readJsonBody(request)));
  sendJson(response, 200, await installation.view(address));
}

async function deleteVolume(exchange: Exchange): Promise<void> {
  const force = exchange.query.get('force') ?? 'false';
  if (force !== 'true' && force !== 'false') {
    throw new KeelsonError('INVALID_ARGUMENT', 'force: expected true or false');
  }
  await exchange.installation.delete(addressIn(exchange), { isForced: force === 'true' });
  sendJson(exchange.response, 200, {});
}

async function changeNode({ installation, request, response, names }: Exchange): Promise<void> {
  const fields = readObject(await readJsonBody(request), 'node');
  refuseUnknownFields(fields, ['isCordoned']);
  const isCordoned = readBoolean(fields, 'isCordoned');
  sendJson(response, 200, await installation.setCordoned(names[0] ?? '', isCordoned));
}

async function readRegistration(exchange: Exchange): Promise<void> {
  const { installation, request, response } = exchange;
  const address = addressIn(exchange);
  const secret = bearerToken(request);
  sendJson(response, 200, await installation.registration(address, secret, waitIn(exchange)));
}

/** `after=N`: the answer is wanted once the revision is another one, as long as somebody listens. */
function waitIn({ query, response }: Exchange): RegistrationWait | undefined {
  const after = query.get('after');
  if (after === null) return undefined;
  if (!/^\d{1,15}$/.test(after)) {
    throw new KeelsonError('INVALID_ARGUMENT', 'after: expected the revision that is known');
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return { after: Number(after), givenUp: gone.signal };
}

async function changeMembership(exchange: Exchange): Promise<void> {
  const { installation, request, response } = exchange;
  const address = addressIn(exchange);
  const secret = bearerToken(request);
  const next = decodeMembership(await readJsonBody(request));
  const change = await installation.changeMembership(address, secret, next);
  if (change.ok) {
    sendJson(response, 200, change.after);
    return;
  }
  const error = { code: 'CONFLICT', message: `membership of ${address}: ${change.reason}` };
  sendJson(response, ERROR_CODES.CONFLICT.http, { error, membership: change.current });
}

function addressIn({ names }: Exchange): string {
  const [namespace = '', name = ''] = names;
  return addressOf({ namespace, name });
}
