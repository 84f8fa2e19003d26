import { join } from 'node:path';
import { eventually } from '../support/child.ts';
import { DockerInstallation } from './support/docker-installation.ts';
import { findRemains } from './support/remains.ts';

/** An engine that is away is no reason to wait for it, and nothing is forgotten on it. */
const NAME = { namespace: 'default', name: 'away' };
const LABELS = { 'keelson.io/replicas': '1' };

let installation: DockerInstallation;

beforeAll(async () => {
  installation = await DockerInstallation.prepare({ nodeCount: 3 });
  await installation.start();
});
afterAll(() => installation?.stop());

test('a volume is deleted while one of its nodes is away, of which only the files stay', async () => {
  const view = await make();
  const [, node = ''] = view.copies.map((copy) => copy.node);
  const directory = installation.copyDirectoryOf(view, node);
  installation.node(node).door.shut();
  await whenDown(node);
  await installation.api.deleteVolume(NAME, { isForced: true });
  expect(installation.orchestrator.output).toContain(
    `${node}:${directory} is left behind, its node or its disk is away; remove it by hand`,
  );
  await installation.bringNodeBack(node);
  const remains = await eventually('its containers are gone', async () => {
    const found = await findRemains(installation.dockerd, dataRoots());
    return found.every((path) => path.startsWith(`file ${directory}`)) ? found : undefined;
  });
  expect(remains.length).toBeGreaterThan(0);
  await installation.dockerd.inside('rm', ['-r', directory]);
});

test('an orchestrator that starts while a node is away serves, and finds that node later', async () => {
  const view = await make();
  const [, node = ''] = view.copies.map((copy) => copy.node);
  const replica = await installation.replicaOf(NAME, node);
  await installation.killOrchestrator();
  installation.node(node).door.shut();
  await installation.start();
  await whenDown(node);
  // Its replica runs all the while, and the controller knows it.
  await installation.whenHealthy(NAME);
  await installation.bringNodeBack(node);
  await eventually('the replica is known', async () => {
    const { copies } = await installation.api.volume(NAME);
    return copies.every(({ process }) => process === 'ready') ? true : undefined;
  });
  expect(await installation.replicaOf(NAME, node)).toBe(replica);
  await remove();
});

test('a volume that was stopped by hand comes up although its network was pruned meanwhile', async () => {
  const { membership } = await make();
  await installation.killOrchestrator();
  for (const { Id } of await installation.containers(NAME)) {
    await installation.engine
      .getContainer(Id)
      .stop()
      .catch(() => undefined); // it did not run
  }
  await installation.engine.pruneNetworks();
  await installation.start();
  await installation.whenHealthy(NAME, membership.generation);
  await remove();
});

async function make() {
  await installation.api.createVolume({ ...NAME, size: '16Mi', labels: LABELS });
  return installation.whenHealthy(NAME);
}

async function remove(): Promise<void> {
  await installation.api.deleteVolume(NAME, { isForced: true });
  expect(await findRemains(installation.dockerd, dataRoots())).toEqual([]);
}

function dataRoots(): string[] {
  return installation.nodeNames.map((node) => join(installation.dockerd.directory, node));
}

function whenDown(node: string): Promise<true> {
  return eventually(`${node} is down`, async () => {
    const views = await installation.api.nodes();
    return views.some(({ name, downReason }) => name === node && downReason !== null) || undefined;
  });
}
