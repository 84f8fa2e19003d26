import { run } from '../support/child.ts';

export const VERDICTS = ['passed', 'skipped', 'failed'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface TestResult {
  readonly suite: string;
  readonly test: string;
  readonly verdict: Verdict;
  /** What the suite printed about it. */
  readonly details: string;
}

export interface SuiteOptions {
  /** What to run, as iscsi-test-cu names it: `ALL.SUITE.TEST`. */
  readonly select?: string;
  /** A second way to the same unit; without one the multipath tests skip themselves. */
  readonly secondUrl?: string;
  /** Gets what is printed while it is. */
  readonly onOutput?: (text: string) => void;
}

const TIME_LIMIT_MS = 290_000;

/** Runs libiscsi's conformance suite, which overwrites the volume, against a LUN. */
export async function runSuite(url: string, options: SuiteOptions = {}): Promise<TestResult[]> {
  // Sanitize operations too: the unit is a scratch one, and refuses them unless it was allowed.
  const args = ['--dataloss', '--allow-sanitize', '--verbose'];
  args.push('--test', options.select ?? 'ALL', url);
  if (options.secondUrl !== undefined) args.push(options.secondUrl);
  const { stdout, stderr, code } = await run('iscsi-test-cu', args, {
    timeoutMs: TIME_LIMIT_MS,
    ...(options.onOutput === undefined ? {} : { onOutput: options.onOutput }),
  });
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

/** `SUITE.TEST`, which is unique. */
export function nameOf({ suite, test }: TestResult): string {
  return `${suite}.${test}`;
}

export function countOf(results: readonly TestResult[], verdict: Verdict): number {
  return results.filter((result) => result.verdict === verdict).length;
}

/** The tests of several runs taken together: each counts as what was worst of it. */
export function worstOf(runs: readonly (readonly TestResult[])[]): TestResult[] {
  const worst = new Map<string, TestResult>();
  for (const result of runs.flat()) {
    const known = worst.get(nameOf(result));
    if (known === undefined || rank(result) > rank(known)) worst.set(nameOf(result), result);
  }
  return [...worst.values()];
}

/** `results`, where those of `again` take the place of the tests that they repeat. */
export function replaced(
  results: readonly TestResult[],
  again: readonly TestResult[],
): TestResult[] {
  const repeated = new Map(again.map((result) => [nameOf(result), result]));
  return results.map((result) => repeated.get(nameOf(result)) ?? result);
}

function rank({ verdict }: TestResult): number {
  return VERDICTS.indexOf(verdict);
}

export function formatTotal(results: readonly TestResult[]): string {
  const [passed, skipped, failed] = VERDICTS.map((verdict) => countOf(results, verdict));
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function verdictOf(details: string): Verdict {
  const at = details.search(/(^|\n)passed\b/);
  if (at < 0) return 'failed';
  // What stands behind the verdict was printed between two suites, not by this test.
  return details.slice(0, at).includes('[SKIPPED]') ? 'skipped' : 'passed';
}
