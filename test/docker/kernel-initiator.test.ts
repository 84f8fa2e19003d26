import { runScenario } from '../e2e/initiator/scenario.ts';
import type { Step, TargetUnderTest } from '../e2e/initiator/target.ts';
import { runOk } from '../support/child.ts';
import { descendantsOf } from '../support/processes.ts';
import { DockerInstallation } from './support/docker-installation.ts';

const NAME = { namespace: 'default', name: 'kernel' };
const LABELS = { 'keelson.io/replicas': '2' };
/** What an iSCSI initiator of Linux takes at most between two attempts, five times over. */
const STALL_LIMIT_MS = 15_000;

let installation: DockerInstallation;

beforeAll(async () => {
  installation = await DockerInstallation.prepare({ nodeCount: 3 });
  await installation.start();
});
afterAll(() => installation?.stop());

test('S18 S43 S49 S52 B1 a Linux initiator sees no error while containers of its volume are killed', async () => {
  const report = await runScenario(await makeTarget(), (line) => process.stdout.write(`${line}\n`));
  expect(report.kernelErrors).toEqual([]);
  expect(report.recordCount).toBeGreaterThan(0);
  for (const { longestStallMs } of report.steps) {
    expect(longestStallMs).toBeLessThan(STALL_LIMIT_MS);
  }
});

async function makeTarget(): Promise<TargetUnderTest> {
  await installation.api.createVolume({ ...NAME, size: '256Mi', labels: LABELS });
  const { portal, targetName, copies } = await installation.whenHealthy(NAME);
  // Docker lets nothing through that does not come from its own networks.
  await runOk('iptables', ['-I', 'DOCKER-USER', '-j', 'ACCEPT']);
  const [first, second] = copies;
  return {
    portalHost: portal.split(':')[0] ?? '',
    targetName,
    steps: [
      killStep('kill -9 replica 1', `--replica-id ${first?.replicaId} `, false),
      killStep('kill -9 controller', '--instance-id ', true),
      killStep('kill -9 replica 2', `--replica-id ${second?.replicaId} `, false),
    ],
    stop: async () => undefined,
  };
}

/** By its command line: the engine counts processes in a namespace of its own. */
function killStep(name: string, option: string, hitsPortal: boolean): Step {
  let generation = 0;
  return {
    ...{ name, hitsPortal },
    async choose() {
      generation = (await installation.api.volume(NAME)).membership.generation;
      const found = descendantsOf(process.pid).filter(({ command }) =>
        `${command} `.includes(option),
      );
      const [only] = found;
      if (only === undefined || found.length > 1) {
        throw new Error(`${name}: expected one process, found ${found.length}`);
      }
      return only.pid;
    },
    recover: async () => {
      await installation.whenHealthy(NAME, generation);
    },
  };
}
