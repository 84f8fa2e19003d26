import { formatSelector, parseSelector, selects } from '../../../../orchestrator/model/selector.ts';

const LABELS = { env: 'prod', tier: '', 'storageos.com/replicas': '2', 'example.com/a.b': 'x:y' };

test.each<[string, boolean]>([
  ['', true],
  [' ', true],
  ['env==prod', true],
  ['env=prod', true],
  ['env==test', false],
  ['env==', false],
  ['tier==', true],
  ['env!=prod', false],
  ['env!=test', true],
  ['zone!=a', true],
  ['env', true],
  ['tier', true],
  ['zone', false],
  ['!zone', true],
  ['!env', false],
  ['env==prod,!zone', true],
  ['env==prod, zone', false],
  ['example.com/a.b==x:y', true],
  ['toString', false],
  // A label stands for all its other names (N7).
  ['keelson.io/replicas==2', true],
  ['storageos.feature.replicas', true],
  ['!storageos.feature.replicas', false],
  ['keelson.io/replicas!=2', false],
  ['keelson.io/failure-mode', false],
])('N10 the selector %j selects the volume: %p', (text, isSelected) => {
  expect(selects(parseSelector(text), LABELS)).toBe(isSelected);
});

test.each([
  ['env == prod ,! zone,tier,a!= b,c=', 'env==prod,!zone,tier,a!=b,c=='],
  ['', ''],
])('N10 %j is written as %j, and means the same', (text, written) => {
  const selector = parseSelector(text);
  expect(formatSelector(selector)).toBe(written);
  expect(parseSelector(written)).toEqual(selector);
});

test.each([
  ['env==prod,', 'got ""'],
  [',', 'got ""'],
  ['==prod', 'got "==prod"'],
  ['a===b', 'got "a===b"'],
  ['a==b=c', 'got "a==b=c"'],
  ['a==b c', 'got "a==b c"'],
  ['!a==b', 'got "!a==b"'],
  ['!!a', 'got "!!a"'],
  ['env in (prod)', 'got "env in (prod)"'],
  ['-a', 'got "-a"'],
  ['keelson.io/replica==1', 'label keelson.io/replica: not known'],
  [Array.from({ length: 33 }, (_, index) => `a${index}`).join(), 'at most 32 requirements, got 33'],
  ['a'.repeat(5000), 'at most 4096 characters, got 5000'],
])('N10 the selector %j is refused with the reason', (text, reason) => {
  expect(() => parseSelector(text)).toThrow(/^selector: expected|^label/);
  expect(() => parseSelector(text)).toThrow(reason);
});
