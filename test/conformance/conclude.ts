import { EXPECTED_SKIPS, judgeSkips, readExpectedSkips } from './expected-skips.ts';
import { formatTotal, nameOf, type TestResult } from './suite.ts';

const MAX_DETAIL_LINES = 6;

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
  for (const failure of failures)
    print(`FAILED ${nameOf(failure)}: ${beginningOf(failure.details)}`);
  const { unlisted, stale } = judgeSkips(results, readExpectedSkips());
  for (const name of unlisted) print(`SKIPPED without a reason in ${EXPECTED_SKIPS}: ${name}`);
  for (const name of isWhole ? stale : []) {
    print(`STALE in ${EXPECTED_SKIPS}, it is not skipped any more: ${name}`);
  }
  print(formatTotal(results));
  return failures.length === 0 && unlisted.length === 0;
}

/** A test that fails in a loop says the same a hundred times. */
function beginningOf(details: string): string {
  const lines = details.split('\n');
  const rest = lines.length - MAX_DETAIL_LINES;
  const told = lines.slice(0, MAX_DETAIL_LINES).join('\n');
  return rest > 0 ? `${told}\n    … and ${rest} lines more` : told;
}
