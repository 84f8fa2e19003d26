import { formatReports, keepReports, type Report } from '../support/report.ts';
import { NAMESPACE, play } from './resilience/scenario.ts';
import { SCENARIOS } from './resilience/scenarios.ts';
import { Installation } from './support/installation.ts';
import { useNamespace } from './support/namespace.ts';
import { PodLog } from './support/pod-log.ts';
import { currentSuite } from './support/suite.ts';

const { isFull, jsonPath } = currentSuite();

useNamespace(NAMESPACE);

const reports: Report[] = [];
let installation: Installation;
let pods: PodLog;

beforeAll(async () => {
  installation = await Installation.connect();
  await installation.nodes.restore();
  pods = new PodLog();
});
afterAll(async () => {
  await pods?.stop();
  process.stdout.write(`${formatReports(reports)}\n`);
  if (jsonPath !== undefined) keepReports(jsonPath, reports);
});

const scenarios = SCENARIOS.filter(({ isCore }) => isCore === true || isFull);

test.each(scenarios)('$title [$name]', async (scenario) => {
  const report = await play(scenario, installation);
  reports.push(report);
  // A run of all of them takes long: whoever ends it wants to know how far it got.
  process.stdout.write(`${formatReports([report])}\n`);
  expect(report.ioErrors).toBe(0);
  expect(await pods.findStrays()).toEqual([]);
});

test('S52 N1 I9 no replica ever had a pod on a node that is not its own', async () => {
  expect(pods.podCount).toBeGreaterThan(0);
  expect(await pods.findStrays()).toEqual([]);
});
