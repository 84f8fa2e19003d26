import { readFileSync } from 'node:fs';
import { judgeSkips, parseExpectedSkips } from './expected-skips.ts';
import { formatTotal, nameOf, type TestResult } from './suite.ts';

const EXPECTED_SKIPS = 'test/conformance/expected-skips.md';

/**
 * Prints the failures, what is wrong with the skips, and the line that ends a run.
 *
 * @param isWhole the whole suite ran, so that the list can be told to be out of date
 * @returns whether nothing failed and every skip is a listed one
 */
export function conclude(
  results: readonly TestResult[],
  { isWhole, print }: { isWhole: boolean; print: (text: string) => void },
): boolean {
  const failures = results.filter(({ verdict }) => verdict === 'failed');
  for (const failure of failures) print(`FAILED ${nameOf(failure)}: ${failure.details}`);
  const expected = parseExpectedSkips(readFileSync(EXPECTED_SKIPS, 'utf8'));
  const { unlisted, stale } = judgeSkips(results, expected);
  for (const name of unlisted) print(`SKIPPED without a reason in ${EXPECTED_SKIPS}: ${name}`);
  for (const name of isWhole ? stale : []) {
    print(`STALE in ${EXPECTED_SKIPS}, it is not skipped any more: ${name}`);
  }
  print(formatTotal(results));
  return failures.length === 0 && unlisted.length === 0;
}
