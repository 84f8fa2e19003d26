import { MAX_WEIGHT, RULE_ACTIONS } from '../../model/rule.ts';
import { addressOf } from '../../model/volume.ts';
import { type Command, defineCommand } from '../command.ts';
import { UsageError } from '../errors.ts';
import { showRule, showRules } from '../format-rule.ts';
import { print } from '../output.ts';
import {
  addressIn,
  NAMESPACE,
  NAMESPACE_OR_ALL,
  nameIn,
  parseLabels,
  parseNumber,
} from '../values.ts';

const RULE = { value: 'NAME', what: 'rule', count: 'one', completes: 'rule' } as const;

const create = defineCommand({
  words: 'rule create',
  about: 'let labels count for all volumes of a namespace that a selector selects',
  operand: { value: 'NAME', what: 'rule', count: 'one' },
  options: {
    ...NAMESPACE,
    selector: {
      type: 'text',
      short: 'l',
      value: 'SELECTOR',
      about: 'by labels of the volume: env==prod,tier!=db,owner,!old; default: every volume',
    },
    action: {
      type: 'text',
      value: RULE_ACTIONS.join('|'),
      completes: RULE_ACTIONS,
      about: 'add: where the volume has no label of its own for it; the default',
    },
    label: {
      type: 'list',
      value: 'KEY=VALUE',
      completes: 'label',
      about: 'one that decides something; see keelson help labels',
    },
    weight: {
      type: 'text',
      value: 'NUMBER',
      about: `0 to ${MAX_WEIGHT}, default 0; of two rules the one with the lower weight decides`,
    },
  },
  details: `Volumes that are there already follow at once, and when the rule changes or goes. A label of the volume
itself goes before every rule; a rule goes before the defaults of a driver or class.`,
  example:
    'keelson rule create --namespace default --selector env==prod --action add --label storageos.com/replicas=2 two-for-prod',
  async run(call) {
    const { given } = call;
    const address = addressIn(nameIn(call), given.namespace);
    const labels = parseLabels('label', given.label);
    if (given.label.length === 0) {
      throw new UsageError('rule create: expected at least one --label', create.words);
    }
    const action = RULE_ACTIONS.find((known) => known === (given.action ?? 'add'));
    if (action === undefined) {
      throw new UsageError(`--action: expected add, got ${given.action}`, create.words);
    }
    const weight = parseNumber('weight', given.weight ?? '0', { min: 0, max: MAX_WEIGHT });
    const client = await call.connect();
    const selector = given.selector ?? '';
    const rule = await client.createRule({ ...address, selector, action, labels, weight });
    await print(call, rule, { table: `${addressOf(rule)}\n` });
  },
});

const ls = defineCommand({
  words: 'rule ls',
  about: 'list rules',
  options: NAMESPACE_OR_ALL,
  details: 'With -o wide the volumes that each one selects by name.',
  example: 'keelson rule ls --namespace default',
  async run(call) {
    const client = await call.connect();
    const rules = await client.rules(call.given.namespace);
    await print(call, rules, showRules(rules));
  },
});

const inspect = defineCommand({
  words: 'rule inspect',
  about: 'tell everything about a rule, the volumes that it selects included',
  operand: RULE,
  options: NAMESPACE,
  example: 'keelson rule inspect default/two-for-prod',
  async run(call) {
    const address = addressIn(nameIn(call), call.given.namespace);
    const client = await call.connect();
    const rule = await client.rule(address);
    await print(call, rule, showRule(rule));
  },
});

const rm = defineCommand({
  words: 'rule rm',
  about: 'take a rule away; its volumes follow what is left',
  operand: RULE,
  options: NAMESPACE,
  example: 'keelson rule rm default/two-for-prod',
  async run(call) {
    const address = addressIn(nameIn(call), call.given.namespace);
    const client = await call.connect();
    await client.deleteRule(address);
    await print(call, { deleted: addressOf(address) }, { table: `${addressOf(address)}\n` });
  },
});

export const RULE_COMMANDS: readonly Command[] = [create, ls, inspect, rm];
