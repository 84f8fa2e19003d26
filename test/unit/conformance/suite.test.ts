import { judgeSkips, parseExpectedSkips } from '../../conformance/expected-skips.ts';
import { formatTotal, nameOf, parseSuite, worstOf } from '../../conformance/suite.ts';
import { columnOf, formatTable } from '../../conformance/table.ts';

/** As iscsi-test-cu prints it: verdicts with and without messages, and one test without an end. */
const OUTPUT = `
     CUnit - A unit testing framework for C - Version 2.1-3

Suite: Inquiry
  Test: Standard ...passed
  Test: EVPD ...FAILED
    1. test_inquiry_evpd.c:40  - CU_FAIL("wrong page")
Suite: Unmap
  Test: Simple ...    [SKIPPED] UNMAP is not implemented.
passed
  Test: VPD ...passed    [SKIPPED] PERSISTENT RESERVE IN is not implemented.
    [SKIPPED] PERSISTENT RESERVE IN is not implemented.

Suite: Reserve6
  Test: Simple ...    [FAILED] the session ended
`;

test('the output of the suite is read: verdicts after messages, and a test without an end', () => {
  const results = parseSuite(OUTPUT);
  expect(results.map((result) => [nameOf(result), result.verdict])).toEqual([
    ['Inquiry.Standard', 'passed'],
    ['Inquiry.EVPD', 'failed'],
    ['Unmap.Simple', 'skipped'],
    ['Unmap.VPD', 'passed'],
    ['Reserve6.Simple', 'failed'],
  ]);
  expect(results[1]?.details).toContain('wrong page');
  expect(formatTotal(results)).toBe('2 passed, 2 failed, 1 skipped');
});

test('several runs count as what was worst of each test', () => {
  const [first, second] = [
    [result('a', 'passed'), result('b', 'skipped'), result('c', 'failed')],
    [result('a', 'skipped'), result('b', 'failed'), result('c', 'passed')],
  ];
  const worst = worstOf([first, second]);
  expect(worst.map(({ verdict }) => verdict)).toEqual(['skipped', 'failed', 'failed']);
});

test('a skip that is not listed and a line that is out of date are told', () => {
  const expected = parseExpectedSkips(
    '| test | reason |\n|---|---|\n| `S.a` | no |\n| `S.b` | no |',
  );
  const results = [result('a', 'skipped'), result('b', 'passed'), result('c', 'skipped')];
  expect(judgeSkips(results, expected)).toEqual({ unlisted: ['S.c'], stale: ['S.b'] });
});

test('a listed skip needs a reason and only one line', () => {
  expect(() => parseExpectedSkips('| `S.a` |  |')).toThrow('expected a reason');
  expect(() => parseExpectedSkips('| `S.a` | no |\n| `S.a` | no |')).toThrow('listed twice');
});

test('the table has one row a suite and one column a target, also where a suite is missing', () => {
  const one = columnOf('one', parseSuite(OUTPUT));
  const two = columnOf('two', [result('a', 'passed')]);
  const rows = formatTable([one, two])
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  expect(rows).toEqual([
    ['passed/skipped/failed', 'one', 'two'],
    ['Inquiry', '1/-/1'],
    ['Unmap', '1/1/-'],
    ['Reserve6', '-/-/1'],
    ['S', '1/-/-'],
    ['all', '2/1/2', '1/-/-'],
  ]);
});

function result(test: string, verdict: 'passed' | 'skipped' | 'failed') {
  return { suite: 'S', test, verdict, details: '' };
}
