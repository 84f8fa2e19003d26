import { writeSync } from 'node:fs';
import { keepCounts, showCounts } from './test-counts.ts';

/**
 * A jest reporter that ends the output with one line for people and machines: `N passed, N failed`.
 * A suite that failed to run counts as one failure; skipped tests are named only if there are any.
 */
export class SummaryReporter {
  onRunComplete(_contexts, results) {
    const { numPassedTests: passed, numFailedTests, numRuntimeErrorTestSuites } = results;
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    keepCounts({ passed, failed, skipped });
    // Jest's own summary comes after the reporters of the configuration, so wait for the very end.
    process.once('exit', () => {
      writeSync(1, `${showCounts({ passed, failed, skipped })}\n`);
    });
  }
}

// biome-ignore lint/style/noDefaultExport: jest wants a reporter as the default export
export default SummaryReporter;
