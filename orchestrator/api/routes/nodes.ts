import { decodeNodeChange } from '../../model/node.ts';
import { readJsonBody, sendJson } from '../http.ts';
import type { Exchange, Route } from '../route.ts';
import { flag, listOf, ref } from '../schema.ts';

export const NODE_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/nodes',
    id: 'listNodes',
    summary: 'Nodes, in the order in which they were given.',
    answers: { 200: { description: 'The nodes.', schema: listOf(ref('Node')) } },
    handle: ({ installation, response }) => sendJson(response, 200, installation.nodes.views()),
  },
  {
    method: 'GET',
    path: '/v1/nodes/{node}',
    id: 'readNode',
    summary: 'One node.',
    answers: { 200: { description: 'The node.', schema: ref('Node') } },
    refusals: ['NOT_FOUND'],
    handle: (exchange) =>
      sendJson(exchange.response, 200, exchange.installation.nodes.view(nodeIn(exchange))),
  },
  {
    method: 'PATCH',
    path: '/v1/nodes/{node}',
    id: 'changeNode',
    summary: 'Cordons or drains a node, or lets it be used again.',
    body: { component: 'NodeChange', example: { isCordoned: false } },
    answers: { 200: { description: 'The node as it is now.', schema: ref('Node') } },
    refusals: ['NOT_FOUND', 'FAILED_PRECONDITION', 'NO_SPACE'],
    handle: changeNode,
  },
  {
    method: 'DELETE',
    path: '/v1/nodes/{node}',
    id: 'deleteNode',
    summary: 'Forgets a node that holds no copies.',
    query: [
      {
        name: 'force',
        schema: flag('Its copies that are not in-sync count as lost.', { default: false }),
      },
    ],
    answers: { 200: { description: 'It is forgotten.', schema: ref('Empty') } },
    refusals: ['NOT_FOUND', 'FAILED_PRECONDITION', 'NO_SPACE'],
    handle: deleteNode,
  },
];

async function changeNode(exchange: Exchange): Promise<void> {
  const { installation, request, response } = exchange;
  const change = decodeNodeChange(await readJsonBody(request));
  sendJson(response, 200, await installation.nodes.change(nodeIn(exchange), change));
}

async function deleteNode(exchange: Exchange): Promise<void> {
  const { installation, response, query } = exchange;
  await installation.nodes.remove(nodeIn(exchange), { isForced: query.flag('force', false) });
  sendJson(response, 200, {});
}

function nodeIn({ names }: Exchange): string {
  return names[0] ?? '';
}
