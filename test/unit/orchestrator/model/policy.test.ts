import type { Labels } from '../../../../orchestrator/model/labels.ts';
import {
  decodeOrigins,
  mapFields,
  resolvePolicy,
  showOrigin,
} from '../../../../orchestrator/model/policy.ts';
import { decodeRule, type Rule, rulesOf } from '../../../../orchestrator/model/rule.ts';

function rule(name: string, labels: Labels, rest: object = {}): Rule {
  return decodeRule({ name, selector: '', action: 'add', labels, ...rest });
}

/** The replicas of a volume of the namespace `default`, and what decided them. */
function replicasOf({ labels = {}, rules = [], defaults = {} }: Case): string {
  const selected = rulesOf({ namespace: 'default', labels }, rules);
  const { policy, origins } = resolvePolicy({ labels, rules: selected, defaults });
  return `${policy.replicas} ${showOrigin(origins.replicas)}`;
}

interface Case {
  readonly labels?: Labels;
  readonly rules?: readonly Rule[];
  readonly defaults?: Labels;
}

const PROD = { selector: 'env==prod' };

const CASES: [string, Case, string][] = [
  ['nothing', {}, '0 built in'],
  ['the defaults', { defaults: { 'keelson.io/replicas': '1' } }, '1 defaults'],
  ['the defaults, by an alias', { defaults: { 'storageos.com/replicas': '1' } }, '1 defaults'],
  [
    'a rule before the defaults',
    {
      rules: [rule('two', { 'storageos.feature.replicas': '2' })],
      defaults: { 'keelson.io/replicas': '1' },
    },
    '2 rule default/two',
  ],
  [
    'a label of the volume before a rule and the defaults',
    {
      labels: { 'storageos.com/replicas': '3' },
      rules: [rule('two', { 'keelson.io/replicas': '2' })],
      defaults: { 'keelson.io/replicas': '1' },
    },
    '3 label storageos.com/replicas',
  ],
  [
    'a label that says none before a rule that says two',
    {
      labels: { 'keelson.io/replicas': '0' },
      rules: [rule('two', { 'keelson.io/replicas': '2' })],
    },
    '0 label keelson.io/replicas',
  ],
  [
    'the rule with the lowest weight, whatever their order',
    {
      rules: [
        rule('b', { 'keelson.io/replicas': '1' }, { weight: 10 }),
        rule('c', { 'storageos.com/replicas': '2' }, { weight: 5 }),
        rule('a', { 'keelson.io/replicas': '3' }, { weight: 1000 }),
      ],
    },
    '2 rule default/c',
  ],
  [
    'the first by name of two rules with the same weight',
    {
      rules: [rule('b', { 'keelson.io/replicas': '1' }), rule('a', { 'keelson.io/replicas': '3' })],
    },
    '3 rule default/a',
  ],
  [
    'the next rule, when the first one says nothing about it',
    {
      rules: [
        rule('a', { 'keelson.io/failure-mode': 'hard' }),
        rule('b', { 'keelson.io/replicas': '1' }, { weight: 1 }),
      ],
    },
    '1 rule default/b',
  ],
  [
    'no rule of another namespace',
    { rules: [rule('two', { 'keelson.io/replicas': '2' }, { namespace: 'team' })] },
    '0 built in',
  ],
  [
    'no rule that selects others',
    { labels: { env: 'test' }, rules: [rule('two', { 'keelson.io/replicas': '2' }, PROD)] },
    '0 built in',
  ],
  [
    'a rule that selects it',
    { labels: { env: 'prod' }, rules: [rule('two', { 'keelson.io/replicas': '2' }, PROD)] },
    '2 rule default/two',
  ],
  [
    'no rule that selects by what another rule adds',
    {
      rules: [
        rule('one', { 'keelson.io/replicas': '1' }, { weight: 1 }),
        rule('two', { 'keelson.io/replicas': '2' }, { selector: 'keelson.io/replicas==1' }),
      ],
    },
    '1 rule default/one',
  ],
];

test.each(CASES)('S29 S30 N7 N10 what decides the replicas: %s', (_, given, decided) => {
  expect(replicasOf(given)).toBe(decided);
});

test('N10 each part of a policy is decided by itself', () => {
  const { policy, origins } = resolvePolicy({
    labels: { 'storageos.com/failure.mode': 'hard' },
    rules: [rule('two', { 'keelson.io/replicas': '2', 'storageos.com/failure.mode': 'soft' })],
    defaults: { 'keelson.io/sanitize': 'allow', 'keelson.io/replicas': '5' },
  });
  expect(policy).toEqual({
    ...{ replicas: 2, failureMode: 'hard', failureTolerance: 1 },
    ...{ initiators: [], allowsSanitize: true },
  });
  expect(mapFields((field) => showOrigin(origins[field]))).toEqual({
    replicas: 'rule default/two',
    failureMode: 'label storageos.com/failure.mode',
    failureTolerance: 'built in',
    initiators: 'built in',
    allowsSanitize: 'defaults',
  });
  expect(decodeOrigins(JSON.parse(JSON.stringify(origins)))).toEqual(origins);
  expect(() => decodeOrigins({ ...origins, replicas: { from: 'luck' } })).toThrow(
    'expected one of',
  );
});
