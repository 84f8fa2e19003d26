import { isOlder } from '../../../../orchestrator/kubernetes/resource-version.ts';

test.each([
  ['9', '10', true],
  ['10', '9', false],
  ['10', '10', false],
  ['99', '100', true],
  // Above 2^53, where numbers would be the same.
  ['9007199254740993', '9007199254740994', true],
])('resource version %s is older than %s: %s', (a, b, expected) => {
  expect(isOlder(a, b)).toBe(expected);
});

test.each([
  ['', '5'],
  ['5', ''],
  ['0', '5'],
  ['05', '6'],
  ['a', 'b'],
  ['-1', '5'],
  ['1e3', '5000'],
  ['1'.repeat(21), '2'.repeat(21)],
])('a resource version that is no number is never called older: %p, %p', (a, b) => {
  expect(isOlder(a, b)).toBe(false);
});
