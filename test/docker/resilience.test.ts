import { formatReports, keepReports, type Report } from '../support/report.ts';
import { play } from './resilience/scenario.ts';
import { SCENARIOS } from './resilience/scenarios.ts';
import { DockerInstallation } from './support/docker-installation.ts';
import { StartLog } from './support/start-log.ts';

/** Set by npm run test:docker: all scenarios instead of the core, and where to keep the figures. */
const { KEELSON_DOCKER_SUITE: suite, KEELSON_DOCKER_JSON: jsonPath } = process.env;

const NODE_COUNT = 4;

const reports: Report[] = [];
let installation: DockerInstallation;
let starts: StartLog;

beforeAll(async () => {
  installation = await DockerInstallation.prepare({ nodeCount: NODE_COUNT });
  starts = new StartLog(installation.engine, (node) => installation.node(node).dataRoot);
  await installation.withEngine(() => starts.watch());
  await installation.start();
});
afterAll(async () => {
  starts?.close();
  await installation?.stop();
  process.stdout.write(`${formatReports(reports)}\n`);
  if (jsonPath !== undefined) keepReports(jsonPath, reports);
});

const scenarios = SCENARIOS.filter(({ isCore }) => isCore === true || suite === 'all');

test.each(scenarios)('$title [$name]', async (scenario) => {
  const report = await play(scenario, installation, starts);
  reports.push(report);
  expect(report.ioErrors).toBe(0);
  expect(report.longestStallMs).toBeLessThan(scenario.stallLimitMs);
  expect(starts.findStrays()).toEqual([]);
});

test('S52 N1 I9 no replica was ever started on a node that is not its own', () => {
  expect(starts.count).toBeGreaterThan(0);
  expect(starts.findStrays()).toEqual([]);
});
