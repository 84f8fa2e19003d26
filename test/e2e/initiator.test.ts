import { run } from '../support/child.ts';
import { NODE } from '../support/keelson.ts';
import { formatStep, type Report } from './initiator/scenario.ts';

/** No claim about speed, which a timed test must not make; it only tells a stall from a hang. */
const LONGEST_STALL_MS = 30_000;

test('S1 S13 S18 S43 S49 S52 B1 a Linux initiator sees no error while a replica, the controller and another replica are killed', async () => {
  const { code, stdout, stderr } = await run(NODE, ['test/e2e/initiator/run.ts', '--json'], {
    timeoutMs: 300_000,
  });
  if (code !== 0) throw new Error(`expected exit code 0, got ${code}\n${stdout}${stderr}`);
  const report = JSON.parse(stdout) as Report;
  process.stderr.write(`${report.steps.map(formatStep).join('\n')}\n`);
  expect(report.kernelErrors).toEqual([]);
  expect(report.recordCount).toBeGreaterThan(100);
  expect(report.steps.map((step) => step.name)).toEqual([
    'kill -9 replica 1',
    'kill -9 controller',
    'kill -9 replica 2',
  ]);
  for (const step of report.steps) expect(step.longestStallMs).toBeLessThan(LONGEST_STALL_MS);
});
