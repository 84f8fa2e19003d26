import { decodeRule, showRule, whyOtherRule } from '../../../../orchestrator/model/rule.ts';

const FIELDS = {
  name: 'three',
  selector: 'env==prod',
  action: 'add',
  labels: { 'storageos.com/replicas': '2' },
};

test('N10 a rule takes its defaults, and reads back as it is shown', () => {
  const shown = showRule(decodeRule(FIELDS));
  expect(shown).toEqual({ namespace: 'default', ...FIELDS, weight: 0 });
  expect(showRule(decodeRule(shown))).toEqual(shown);
});

test.each<[object | null, string]>([
  [null, 'rule: expected an object'],
  [{ ...FIELDS, name: undefined }, 'name: expected a string'],
  [{ ...FIELDS, name: 'Three' }, 'name "Three": expected 1 to 63 of a-z'],
  [{ ...FIELDS, namespace: '../x' }, 'namespace "../x": expected 1 to 63'],
  [{ ...FIELDS, wait: 1 }, 'field "wait": not known; expected namespace, name, selector'],
  [{ ...FIELDS, selector: undefined }, 'selector: expected a string'],
  [{ ...FIELDS, selector: 'env in prod' }, 'selector: expected LABEL==VALUE'],
  [{ ...FIELDS, action: 'remove' }, 'action: expected one of add, got "remove"'],
  [{ ...FIELDS, action: undefined }, 'action: expected one of add, got nothing'],
  [{ ...FIELDS, labels: undefined }, 'labels: expected an object, got nothing'],
  [{ ...FIELDS, labels: {} }, 'labels: expected at least one'],
  [{ ...FIELDS, labels: { env: 'prod' } }, 'label env: decides nothing; expected one of keelson'],
  [{ ...FIELDS, labels: { 'keelson.io/replicas': '6' } }, 'label keelson.io/replicas: expected a'],
  [{ ...FIELDS, labels: { 'keelson.io/replica': '1' } }, 'label keelson.io/replica: not known'],
  [
    { ...FIELDS, labels: { 'keelson.io/replicas': '1', 'storageos.com/replicas': '2' } },
    'labels keelson.io/replicas=1 and storageos.com/replicas=2 disagree',
  ],
  [{ ...FIELDS, weight: -1 }, 'weight: expected a whole number from 0 to 1000, got -1'],
  [{ ...FIELDS, weight: 1001 }, 'weight: expected a whole number from 0 to 1000, got 1001'],
  [{ ...FIELDS, weight: '1' }, 'weight: expected a whole number'],
])('N10 the rule %j is refused, naming what is wrong', (fields, reason) => {
  expect(() => decodeRule(fields)).toThrow(reason);
});

test('N10 two rules differ by what they mean, not by how it is written', () => {
  const rule = decodeRule(FIELDS);
  expect(whyOtherRule(rule, decodeRule({ ...FIELDS, selector: ' env = prod' }))).toBeUndefined();
  expect(
    whyOtherRule(
      rule,
      decodeRule({ ...FIELDS, selector: '', weight: 7, labels: { 'keelson.io/replicas': '2' } }),
    ),
  ).toBe(
    'selector is "env==prod", asked for ""; ' +
      'labels is storageos.com/replicas=2, asked for keelson.io/replicas=2; ' +
      'weight is 0, asked for 7',
  );
});
