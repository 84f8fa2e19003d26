import { run } from '../support/child.ts';

export type Verdict = 'passed' | 'skipped' | 'failed';

export interface TestResult {
  readonly suite: string;
  readonly test: string;
  readonly verdict: Verdict;
  /** What the suite printed about it. */
  readonly details: string;
}

const TIME_LIMIT_MS = 290_000;

/** Runs libiscsi's whole conformance suite, which overwrites the volume, against a LUN. */
export async function runSuite(url: string): Promise<TestResult[]> {
  const args = ['-d', '-v', '-t', 'ALL', url];
  const { stdout, stderr, code } = await run('iscsi-test-cu', args, { timeoutMs: TIME_LIMIT_MS });
  const results = parseSuite(stdout);
  if (results.length === 0) {
    throw new Error(`iscsi-test-cu ${url}: no test ran (exit code ${code})\n${stdout}${stderr}`);
  }
  return results;
}

/**
 * Reads the verbose output of CUnit. A test ends with `passed` or `FAILED`, either on the line that
 * opened it or, after messages, on a line of its own. One that skips itself still ends with
 * `passed`, so the message tells. A test without an end (the suite died) has failed.
 */
export function parseSuite(output: string): TestResult[] {
  const results: TestResult[] = [];
  let suite = '';
  for (const block of output.split(/\n(?=Suite: | {2}Test: )/)) {
    const suiteName = /^Suite: (.*)/.exec(block)?.[1];
    if (suiteName !== undefined) suite = suiteName.trim();
    const test = /^ {2}Test: (.*?) \.\.\./.exec(block);
    if (test === null) continue;
    const [opening] = test;
    const details = block.slice(opening.length).trim();
    results.push({ suite, test: test[1] ?? '', verdict: verdictOf(details), details });
  }
  return results;
}

export function countOf(results: readonly TestResult[], verdict: Verdict): number {
  return results.filter((result) => result.verdict === verdict).length;
}

export function formatSuites(results: readonly TestResult[]): string {
  const suites = [...new Set(results.map((result) => result.suite))];
  const width = Math.max(...suites.map((suite) => suite.length));
  const rows = suites.map((suite) => {
    const own = results.filter((result) => result.suite === suite);
    const counts = (['passed', 'skipped', 'failed'] as const).map((verdict) => {
      const count = countOf(own, verdict);
      return String(count === 0 ? '-' : count).padStart(7);
    });
    return `${suite.padEnd(width)}  ${counts.join('  ')}`;
  });
  const failures = results
    .filter((result) => result.verdict === 'failed')
    .map(({ suite, test, details }) => `FAILED ${suite}.${test}: ${details.split('\n')[0]}`);
  return [`${' '.repeat(width)}   passed  skipped   failed`, ...rows, ...failures].join('\n');
}

export function formatTotal(results: readonly TestResult[]): string {
  const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map((verdict) =>
    countOf(results, verdict),
  );
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function verdictOf(details: string): Verdict {
  const at = details.search(/(^|\n)passed\b/);
  if (at < 0) return 'failed';
  // What stands behind the verdict was printed between two suites, not by this test.
  return details.slice(0, at).includes('[SKIPPED]') ? 'skipped' : 'passed';
}
