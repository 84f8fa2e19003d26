import { decodeRule, decodeRuleAt } from '../../model/rule.ts';
import { readJsonBody, sendJson } from '../http.ts';
import { addressIn, type Exchange, type Route } from '../route.ts';
import { listOf, ref } from '../schema.ts';
import { NAMESPACE_QUERY } from '../schemas/common.ts';

const EXAMPLE = {
  selector: 'env==prod',
  action: 'add',
  labels: { 'keelson.io/replicas': '2' },
  weight: 10,
};

export const RULE_ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/rules',
    id: 'createRule',
    summary: 'Creates a rule, or finds that the same one exists; its volumes follow at once.',
    body: { component: 'RuleCreate', example: { namespace: 'default', name: 'two', ...EXAMPLE } },
    answers: {
      200: { description: 'The same rule exists.', schema: ref('Rule') },
      201: { description: 'It is created.', schema: ref('Rule') },
    },
    refusals: ['ALREADY_EXISTS', 'NO_SPACE'],
    handle: createRule,
  },
  {
    method: 'GET',
    path: '/v1/rules',
    id: 'listRules',
    summary: 'Rules, sorted by address.',
    query: [NAMESPACE_QUERY],
    answers: { 200: { description: 'The rules.', schema: listOf(ref('Rule')) } },
    handle: ({ installation, response, query }) =>
      sendJson(response, 200, installation.rules.views(query.text('namespace'))),
  },
  {
    method: 'GET',
    path: '/v1/rules/{namespace}/{name}',
    id: 'readRule',
    summary: 'One rule.',
    answers: { 200: { description: 'The rule.', schema: ref('Rule') } },
    refusals: ['NOT_FOUND'],
    handle: (exchange) =>
      sendJson(exchange.response, 200, exchange.installation.rules.view(addressIn(exchange))),
  },
  {
    method: 'PUT',
    path: '/v1/rules/{namespace}/{name}',
    id: 'replaceRule',
    summary: 'Creates a rule, or puts it in the place of the one of that name.',
    body: { component: 'RuleReplace', example: EXAMPLE },
    answers: {
      200: { description: 'It is as asked for.', schema: ref('Rule') },
      201: { description: 'It is created.', schema: ref('Rule') },
    },
    refusals: ['NO_SPACE'],
    handle: replaceRule,
  },
  {
    method: 'DELETE',
    path: '/v1/rules/{namespace}/{name}',
    id: 'deleteRule',
    summary: 'Removes a rule; its volumes are from then on what they are without it.',
    answers: { 200: { description: 'It is gone.', schema: ref('Empty') } },
    refusals: ['NOT_FOUND', 'NO_SPACE'],
    handle: deleteRule,
  },
];

async function createRule({ installation, request, response }: Exchange): Promise<void> {
  const { isNew, view } = await installation.rules.create(decodeRule(await readJsonBody(request)));
  sendJson(response, isNew ? 201 : 200, view);
}

async function replaceRule({ installation, request, response, names }: Exchange): Promise<void> {
  const [namespace = '', name = ''] = names;
  const rule = decodeRuleAt({ namespace, name }, await readJsonBody(request));
  const { isNew, view } = await installation.rules.replace(rule);
  sendJson(response, isNew ? 201 : 200, view);
}

async function deleteRule(exchange: Exchange): Promise<void> {
  await exchange.installation.rules.remove(addressIn(exchange));
  sendJson(exchange.response, 200, {});
}
