import { decodeMembership } from '../../../controller/protocol/membership.ts';
import { ERROR_CODES } from '../../../replica/common/errors.ts';
import type { RegistrationWait } from '../../installation/installation.ts';
import { bearerToken } from '../access.ts';
import { readJsonBody, sendJson } from '../http.ts';
import { addressIn, type Exchange, type Route } from '../route.ts';
import { count, ref } from '../schema.ts';

/** For controllers (controller/protocol/registration.ts). */
export const REGISTRY_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/registry/{namespace}/{name}',
    access: 'volume-secret',
    id: 'readRegistration',
    summary: 'What the controller of a volume must know.',
    query: [
      {
        name: 'after',
        schema: count('Answer once the revision is another one, or as it is after a minute.'),
      },
    ],
    answers: { 200: { description: 'The registration.', schema: ref('Registration') } },
    refusals: ['NOT_FOUND'],
    handle: readRegistration,
  },
  {
    method: 'PUT',
    path: '/v1/registry/{namespace}/{name}/membership',
    access: 'volume-secret',
    id: 'changeMembership',
    summary: 'Puts another record in the place of the one of the version before.',
    body: {
      component: 'MembershipChange',
      example: {
        ...{ version: 2, epoch: 1, generation: 1, losses: 0, sizeBytes: 1073741824 },
        controller: { instanceId: 'c1', address: '127.0.1.1:3260' },
        copies: {
          r1: { node: 'node1', dataId: null, state: 'in-sync', generation: 0, session: 0 },
        },
      },
    },
    answers: {
      200: { description: 'The record as it is stored.', schema: ref('Membership') },
      409: { description: 'It has another version: CONFLICT.', schema: ref('MembershipConflict') },
    },
    refusals: ['NOT_FOUND', 'NO_SPACE'],
    handle: changeMembership,
  },
];

async function readRegistration(exchange: Exchange): Promise<void> {
  const { installation, request, response } = exchange;
  const address = addressIn(exchange);
  const secret = bearerToken(request);
  sendJson(response, 200, await installation.registration(address, secret, waitIn(exchange)));
}

/** The answer is wanted once the revision is another one, as long as somebody listens. */
function waitIn({ query, response }: Exchange): RegistrationWait | undefined {
  const after = query.number('after');
  if (after === undefined) return undefined;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return { after, givenUp: gone.signal };
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
