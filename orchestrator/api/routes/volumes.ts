import type { ChapCredentials } from '../../../controller/protocol/chap-credentials.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import { parseSelector } from '../../model/selector.ts';
import { decodeVolumeUpdate } from '../../model/update.ts';
import { addressOf, decodeVolumeRequest } from '../../model/volume.ts';
import { readJsonBody, sendJson } from '../http.ts';
import { addressIn, type Exchange, type Route } from '../route.ts';
import { flag, listOf, ref, text } from '../schema.ts';
import { NAMESPACE_QUERY } from '../schemas/common.ts';

/** A creation answers when the portal does, so that a script can log in right away; or after this. */
const READY_WAIT_MS = 3_000;

export const VOLUME_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/volumes',
    id: 'createVolume',
    summary: 'Creates a volume, or finds that the same one exists.',
    body: {
      component: 'VolumeCreate',
      example: {
        namespace: 'default',
        name: 'data',
        size: '15Gi',
        labels: { 'keelson.io/replicas': '2', 'keelson.io/failure-mode': 'soft', env: 'prod' },
        defaults: { 'keelson.io/replicas': '1' },
        chap: { users: [{ name: 'alice', secret: 'twelve-or-more' }], mutual: null },
      },
    },
    answers: {
      200: { description: 'The same volume exists.', schema: ref('Volume') },
      201: { description: 'It is created.', schema: ref('Volume') },
    },
    refusals: ['ALREADY_EXISTS', 'FAILED_PRECONDITION', 'NO_SPACE'],
    handle: createVolume,
  },
  {
    method: 'GET',
    path: '/v1/volumes',
    id: 'listVolumes',
    summary: 'Volumes, sorted by address.',
    query: [
      NAMESPACE_QUERY,
      { name: 'selector', schema: text('Only those with such labels: `env==prod,!tier`.') },
    ],
    answers: { 200: { description: 'The volumes.', schema: listOf(ref('Volume')) } },
    handle: listVolumes,
  },
  {
    method: 'GET',
    path: '/v1/volumes/{namespace}/{name}',
    id: 'readVolume',
    summary: 'One volume.',
    answers: { 200: { description: 'The volume.', schema: ref('Volume') } },
    refusals: ['NOT_FOUND'],
    handle: readVolume,
  },
  {
    method: 'PATCH',
    path: '/v1/volumes/{namespace}/{name}',
    id: 'updateVolume',
    summary: 'Changes labels, size or CHAP credentials of a live volume.',
    body: {
      component: 'VolumeUpdate',
      example: {
        labelsAdd: { 'keelson.io/failure-mode': 'alwayson' },
        labelsRemove: ['env'],
        size: '20Gi',
        chap: null,
      },
    },
    answers: { 200: { description: 'The volume as it is now.', schema: ref('Volume') } },
    refusals: ['NOT_FOUND', 'FAILED_PRECONDITION', 'NO_SPACE'],
    handle: updateVolume,
  },
  {
    method: 'DELETE',
    path: '/v1/volumes/{namespace}/{name}',
    id: 'deleteVolume',
    summary: 'Stops a volume and deletes its data.',
    query: [
      {
        name: 'force',
        schema: flag('Even while initiators are logged in, or may be.', { default: false }),
      },
    ],
    answers: { 200: { description: 'It is gone.', schema: ref('Empty') } },
    refusals: ['NOT_FOUND', 'FAILED_PRECONDITION', 'NO_SPACE'],
    handle: deleteVolume,
  },
];

async function createVolume(exchange: Exchange): Promise<void> {
  const { installation, request, response } = exchange;
  const wanted = decodeVolumeRequest(await readJsonBody(request));
  refuseChap(exchange, addressOf(wanted), wanted.chap ?? undefined);
  const { isNew } = await installation.create(wanted);
  const address = addressOf(wanted);
  await installation.whenReady(address, READY_WAIT_MS);
  sendJson(response, isNew ? 201 : 200, await installation.view(address));
}

async function listVolumes({ installation, response, query }: Exchange): Promise<void> {
  const selector = parseSelector(query.text('selector') ?? '');
  const namespace = query.text('namespace');
  sendJson(response, 200, await installation.views({ namespace, selector }));
}

async function readVolume(exchange: Exchange): Promise<void> {
  sendJson(exchange.response, 200, await exchange.installation.view(addressIn(exchange)));
}

async function updateVolume(exchange: Exchange): Promise<void> {
  const { installation, request, response } = exchange;
  const address = addressIn(exchange);
  const update = decodeVolumeUpdate(await readJsonBody(request));
  refuseChap(exchange, address, update.chap);
  await installation.update(address, update);
  sendJson(response, 200, await installation.view(address));
}

async function deleteVolume(exchange: Exchange): Promise<void> {
  const { installation, response, query } = exchange;
  await installation.delete(addressIn(exchange), { isForced: query.flag('force', false) });
  sendJson(response, 200, {});
}

/** Where a volume is an object of a cluster, its object says who may log in: it would take this back. */
function refuseChap(
  { installation }: Exchange,
  address: string,
  chap: ChapCredentials | null | undefined,
): void {
  if (chap === undefined || installation.version().platform !== 'kubernetes') return;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `set CHAP of volume ${address}: on Kubernetes the credentials of a volume are a Secret in its ` +
      'namespace; name it in spec.chapSecretRef of the Volume',
  );
}
