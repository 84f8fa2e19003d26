import { readFileSync } from 'node:fs';
import { nameOf, type TestResult } from './suite.ts';

export const EXPECTED_SKIPS = 'test/conformance/expected-skips.md';

export interface Judgement {
  /** Skipped, without a line in the list. */
  readonly unlisted: readonly string[];
  /** In the list, and passed or gone. */
  readonly stale: readonly string[];
}

export function readExpectedSkips(): ReadonlyMap<string, string> {
  return parseExpectedSkips(readFileSync(EXPECTED_SKIPS, 'utf8'));
}

/**
 * Reads expected-skips.md: a table with one row a test, `| SUITE.TEST | reason |`.
 *
 * Errors: throws on a row without a reason, and on a test that is listed twice.
 */
export function parseExpectedSkips(markdown: string): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  for (const line of markdown.split('\n')) {
    const row = /^\|\s*`([^`]+)`\s*\|(.*)\|\s*$/.exec(line);
    if (row === null) continue;
    const [, name = '', reason = ''] = row;
    if (reason.trim() === '') throw new Error(`expected skip ${name}: expected a reason`);
    if (reasons.has(name)) throw new Error(`expected skip ${name}: it is listed twice`);
    reasons.set(name, reason.trim());
  }
  return reasons;
}

/** @param results of one run, or what was worst of several: a skip in one of them is a skip */
export function judgeSkips(
  results: readonly TestResult[],
  expected: ReadonlyMap<string, string>,
): Judgement {
  const skipped = results.filter(({ verdict }) => verdict === 'skipped').map(nameOf);
  return {
    unlisted: skipped.filter((name) => !expected.has(name)),
    stale: [...expected.keys()].filter((name) => !skipped.includes(name)),
  };
}
