import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** What a run of jest came to. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Names the file for the counts of one run, for whoever adds up several. */
const VARIABLE = 'KEELSON_TEST_COUNTS';

/** For the environment of that run. */
export function countsFile(path: string): Record<string, string> {
  return { [VARIABLE]: path };
}

export function keepCounts(counts: TestCounts): void {
  const path = process.env[VARIABLE];
  if (path !== undefined) writeFileSync(path, JSON.stringify(counts));
}

/** What a run kept. One that failed without a failed test did not get as far: that is one, too. */
export function readCounts(path: string, isGood: boolean): TestCounts {
  const none = { passed: 0, failed: 0, skipped: 0 };
  const counts = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as TestCounts) : none;
  return { ...counts, failed: Math.max(counts.failed, isGood ? 0 : 1) };
}

export function addCounts(a: TestCounts, b: TestCounts): TestCounts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

export function showCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
