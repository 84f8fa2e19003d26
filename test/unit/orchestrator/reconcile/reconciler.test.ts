import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CopyState } from '../../../../controller/protocol/membership.ts';
import { copyDirectoryName, nodeNames } from '../../../../orchestrator/model/layout.ts';
import { Registry } from '../../../../orchestrator/registry/registry.ts';
import { World } from '../support/world.ts';

const NAME = { namespace: 'default', name: 'demo' };
const ADDRESS = 'default/demo';

let world: World;
afterEach(() => world.stop());

/** A volume with two copies on node1 and node2, all processes up. */
async function makeVolume(): Promise<void> {
  await world.client.createVolume({ ...NAME, labels: { 'keelson.io/replicas': '1' } });
  await world.pidOf('controller');
  await world.pidOf('replica r2 on node2');
}

function record() {
  return world.installation.registry.require(ADDRESS);
}

function directoryOf(node: string): string {
  return join(world.root, 'nodes', node, copyDirectoryName(record().spec));
}

/** Puts data where the copy on a node would have it: the replicas here only pretend. */
function fill(node: string): string {
  const directory = directoryOf(node);
  mkdirSync(directory);
  writeFileSync(join(directory, 'data'), 'x');
  return directory;
}

/** What the controller would do to the record: take over, then change the state of copies. */
async function control(states: Readonly<Record<string, CopyState>>): Promise<void> {
  const { secret } = record();
  const change = async (edit: 'claim' | 'states') => {
    const { membership } = record();
    const { version, epoch, generation } = membership;
    const next = { ...membership, version: version + 1, generation: generation + 1 };
    const controller = { instanceId: 'i1', address: '127.0.1.1:3260' };
    const copies = Object.fromEntries(
      Object.entries(membership.copies).map(([replicaId, copy]) => {
        const state = states[replicaId] ?? copy.state;
        return [replicaId, { ...copy, dataId: copy.dataId ?? replicaId, state }];
      }),
    );
    const whole =
      edit === 'claim' ? { ...next, epoch: epoch + 1, controller } : { ...next, copies };
    return world.installation.changeMembership(ADDRESS, secret, whole);
  };
  if (record().membership.epoch === 0) expect(await change('claim')).toMatchObject({ ok: true });
  expect(await change('states')).toMatchObject({ ok: true });
}

async function kill(what: string): Promise<void> {
  const before = world.events.lastSequence;
  process.kill(await world.pidOf(what), 'SIGKILL');
  await world.waitForEvent(new RegExp(`^${what} exited \\(signal SIGKILL\\)`), before);
}

test('nothing is started while the platform still looks for what runs, whatever changes', async () => {
  world = await World.start({ isSurveying: true });
  const { installation } = world;
  const plain = { labels: {}, defaults: {}, chap: null };
  await installation.create({ ...NAME, ...plain, sizeBytes: 1024 ** 3 });
  await expect(world.client.volume(NAME)).rejects.toThrow('the orchestrator starts');
  expect((await installation.view(ADDRESS)).controller.process).toBe('down');
  installation.start();
  expect((await world.client.volume(NAME)).controller.process).not.toBe('down');
});

test('S35 S36 a copy that is not wanted any more leaves, stops, and its directory is erased', async () => {
  world = await World.start();
  await makeVolume();
  const directory = fill('node2');
  await world.client.updateVolume(NAME, { labelsAdd: {}, labelsRemove: ['keelson.io/replicas'] });
  await world.waitForEvent(/^copy r2 is to go$/);
  expect(record().leaving).toEqual(['r2']);
  expect(existsSync(directory)).toBe(true);
  await control({ r2: 'stale' });
  await world.waitForEvent(/^copy r2 on node2 removed, healthy \(1 of 1 copies in sync\)$/);
  await world.waitForEvent(/^replica r2 on node2 stopped$/);
  await world.waitUntil(() => record().removed.length === 0);
  expect(existsSync(directory)).toBe(false);
  expect(Object.keys(record().membership.copies)).toEqual(['r1']);
});

test('I9 a replica is not started on a node whose directory is gone, until it is back', async () => {
  world = await World.start();
  await makeVolume();
  const node = join(world.root, 'nodes', 'node2');
  renameSync(node, `${node}.away`);
  await kill('replica r2 on node2');
  await world.waitForEvent(/^copy r2 waits for node2, which is down: .*node2 is missing$/);
  await world.waitForEvent(/^replica r2 on node2 exited \(signal SIGKILL\)$/);
  const [, second] = await world.client.nodes();
  expect(second?.downReason).toMatch(/node2 is missing$/);
  const before = world.events.lastSequence;
  mkdirSync(node); // an empty mount point: not this node's disk
  await world.waitForEvent(
    /^copy r2 waits for node2, which is down: .*has no .keelson-node/,
    before,
  );
  expect(existsSync(directoryOf('node2'))).toBe(false);
  renameSync(node, `${node}.empty`);
  renameSync(`${node}.away`, node);
  await world.pidOf('replica r2 on node2', before);
});

test('S17 S19 S38 a copy whose node stays away is replaced, and its directory erased when it is back', async () => {
  world = await World.start({ replaceAfterMs: 0 });
  await makeVolume();
  const directory = fill('node2');
  const node = join(world.root, 'nodes', 'node2');
  renameSync(node, `${node}.away`);
  await kill('replica r2 on node2');
  await control({ r2: 'stale' });
  await world.waitForEvent(/^copy r3 on node3 added \(syncing\)$/);
  await world.pidOf('replica r3 on node3');
  await control({ r3: 'syncing' });
  await control({ r3: 'in-sync' });
  await world.waitForEvent(/^copy r2 on node2 removed, healthy \(2 of 2 copies in sync\)$/);
  // The orchestrator that removed it is not the one that sees the node again.
  await world.stop({ keepsData: true });
  world = await World.start({ root: world.root });
  expect(record().removed).toEqual([{ replicaId: 'r2', node: 'node2' }]);
  renameSync(`${node}.away`, node);
  await world.waitUntil(() => record().removed.length === 0);
  expect(existsSync(directory)).toBe(false);
});

test('I7 a controller finds in its registration which ones before it are gone', async () => {
  world = await World.start();
  await makeVolume();
  const pid = await world.pidOf('controller');
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  const instanceId = words[words.indexOf('--instance-id') + 1];
  expect(instanceId).toMatch(/^[0-9a-f-]{36}$/);
  const { secret } = record();
  expect(await world.installation.registration(ADDRESS, secret)).toMatchObject({
    goneInstances: [],
  });
  await kill('controller');
  expect(await world.installation.registration(ADDRESS, secret)).toMatchObject({
    goneInstances: [instanceId],
  });
});

test('I7 the process of a controller is remembered while it may run, also by the next orchestrator', async () => {
  world = await World.start();
  await makeVolume();
  const pid = await world.pidOf('controller');
  const before = world.events.lastSequence;
  await world.installation.registration(ADDRESS, record().secret);
  const { startedInstances } = await Registry.open(world.root, nodeNames(3));
  expect(startedInstances).toMatchObject([{ volume: ADDRESS, process: { pid } }]);
  process.kill(pid, 'SIGKILL');
  const nextPid = await world.pidOf('controller', before);
  expect(world.installation.registry.startedInstances).toMatchObject([
    { process: { pid: nextPid } },
  ]);
});

test('a deletion leaves behind what lies on a node that is down, and says so', async () => {
  world = await World.start();
  await makeVolume();
  const directory = fill('node2');
  const node = join(world.root, 'nodes', 'node2');
  renameSync(node, `${node}.away`);
  await world.client.deleteVolume(NAME, { isForced: true });
  await world.waitForEvent(
    new RegExp(`^${directory} is left behind, its node or its disk is away`),
  );
});

test('a controller that waits for a change is sent away at the end', async () => {
  world = await World.start();
  await makeVolume();
  const { secret, revision } = record();
  const wait = { after: revision, givenUp: new AbortController().signal };
  const answer = world.installation.registration(ADDRESS, secret, wait);
  await world.stop({ keepsData: true });
  await expect(answer).resolves.toMatchObject({ volume: { name: 'demo' } });
  await expect(
    world.installation.registration(ADDRESS, secret, { ...wait, after: record().revision }),
  ).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
