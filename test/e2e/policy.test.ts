import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { iscsiUrl } from '../../orchestrator/cli/format.ts';
import type { NodeView, VolumeView } from '../../orchestrator/model/view.ts';
import { eventually, run, runOk } from '../support/child.ts';
import { type Keelson, NODE, startKeelson } from '../support/keelson.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';

/** Rules and nodes decide about volumes in use. Each test goes on where the last one ended. */
const NAME = { namespace: 'default', name: 'prod' };
const DATA = { byte: 0x29, offset: '3M', length: '20M' };

let keelson: Keelson;
let url = '';

beforeAll(async () => {
  keelson = await startKeelson({ nodes: 4, isEmpty: true, args: ['--replace-after', '1'] });
});
afterAll(() => keelson?.stop());

test('S5 S29 S36 N10 a rule adds replicas to the volumes in use that it selects', async () => {
  await type('volume create --namespace default --size 64Mi --label env=prod prod');
  await type('volume create --namespace default --size 8Mi --label env=test test');
  url = iscsiUrl(await keelson.api.volume(NAME));
  await writePattern(url, DATA);
  expect(await keelson.api.volume(NAME)).toMatchObject({ replicas: 0 });
  await type(
    'rule create --namespace default --selector env==prod --action add ' +
      '--label storageos.com/replicas=2 three',
  );
  const volume = await whenHealthy(3);
  expect(volume.origins.replicas).toBe('rule default/three');
  await expectPattern(url, DATA);
  expect(await read('test')).toMatchObject({ replicas: 0, origins: { replicas: 'built in' } });
  expect(await type('events --volume default/prod')).toContain(
    'replicas changed from 0 to 2 by rule default/three',
  );
});

test('S28 S35 N10 a label of the volume goes before the rule', async () => {
  await type('volume update --label-add storageos.feature.replicas=1 default/prod');
  expect((await whenHealthy(2)).origins.replicas).toBe('label storageos.feature.replicas');
  await type('volume update --label-rm storageos.feature.replicas default/prod');
  expect((await whenHealthy(3)).origins.replicas).toBe('rule default/three');
  await expectPattern(url, DATA);
});

test('S30 defaults count where neither a label nor a rule does', async () => {
  const defaults = { 'storageos.com/replicas': '1', 'storageos.com/failure.mode': 'hard' };
  const wish = { namespace: 'default', name: 'class', size: '8Mi' };
  const labels = { 'keelson.io/failure-mode': 'alwayson' };
  expect(await keelson.api.createVolume({ ...wish, labels, defaults })).toMatchObject({
    ...{ replicas: 1, failureMode: 'alwayson', defaults },
    origins: { replicas: 'defaults', failureMode: 'label keelson.io/failure-mode' },
  });
  const refused = keelson.api.createVolume({
    ...wish,
    name: 'bad',
    labels,
    defaults: { env: 'a' },
  });
  await expect(refused).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('defaults: label env: decides nothing'),
  });
  await type('volume rm --force class');
  await type('volume rm --force test');
});

test('S8 I12 a node is drained under a volume in use, and removed', async () => {
  const [first] = (await keelson.api.volume(NAME)).copies;
  const node = first?.node ?? '';
  expect(await refusal(`node rm ${node}`)).toContain('drain it first');
  await type(`node drain ${node}`);
  expect(await keelson.api.node(node)).toMatchObject({ copies: [], isCordoned: true });
  const volume = await whenHealthy(3);
  expect(volume.copies.map((copy) => copy.node)).not.toContain(node);
  await expectPattern(url, DATA);
  // Three copies on three nodes: no other can be spared.
  const [other] = volume.copies;
  expect(await refusal(`node drain ${other?.node}`)).toMatch(
    /^keelson: drain node \S+: it would never be empty: default\/prod wants 3 nodes, of the others 2/,
  );
  await type(`node rm ${node}`);
  expect((await keelson.api.nodes()).map(({ name }) => name)).not.toContain(node);
  expect(await keelson.api.node(other?.node ?? '')).toMatchObject({ isDraining: false });
});

test('S4 I12 a lost node is removed by force, but never with the last copy', async () => {
  const node = await loseNode();
  expect(await refusal(`node rm ${node}`)).toContain('it holds a copy, of default/prod');
  await type(`node rm --force ${node}`);
  const volume = await keelson.api.volume(NAME);
  expect(volume.copies.map((copy) => copy.node)).not.toContain(node);
  await eventually('the view says what is missing', async () => {
    const { notes } = await keelson.api.volume(NAME);
    return notes.includes('no available node for another copy, 3 are wanted') || undefined;
  });
  await expectPattern(url, DATA);
  await type('rule rm default/three');
  const alone = await whenHealthy(1);
  expect(await refusal(`node rm --force ${alone.copies[0]?.node}`)).toContain(
    'the last in-sync copy of default/prod is there',
  );
  await expectPattern(url, DATA);
});

/** Takes the disk of a node away, under a replica that is not needed for the data. */
async function loseNode(): Promise<string> {
  const replicas = keelson.replicas();
  const { copies } = await keelson.api.volume(NAME);
  const copy = copies.find(({ isPrimary }) => !isPrimary);
  const node = copy?.node ?? '';
  const path = join(keelson.dataDir, 'nodes', node);
  renameSync(path, `${path}.away`);
  mkdirSync(path);
  const replica = replicas.find(({ command }) => command.includes(`/nodes/${node}/`));
  process.kill(replica?.pid ?? 0, 'SIGKILL');
  await eventually('the node is seen to be down and its copy struck off', async () => {
    const view: NodeView = await keelson.api.node(node);
    return (view.downReason !== null && view.copies[0]?.state === 'stale') || undefined;
  });
  return node;
}

/** A command line as a user types it; returns what it prints. */
function type(words: string): Promise<string> {
  return runOk(NODE, ['orchestrator/cli/main.ts', ...words.split(' ')]);
}

async function refusal(words: string): Promise<string> {
  const line = ['orchestrator/cli/main.ts', ...words.split(' ')];
  const { code, stdout, stderr } = await run(NODE, line);
  expect([code, stdout]).toEqual([4, '']); // refused: keelson help exit-codes
  return stderr;
}

function read(name: string): Promise<VolumeView> {
  return keelson.api.volume({ namespace: 'default', name });
}

function whenHealthy(copyCount: number): Promise<VolumeView> {
  return eventually(`${copyCount} copies are in sync`, async () => {
    const volume = await keelson.api.volume(NAME);
    const { health, copies } = volume;
    const isWhole = copies.every((copy) => copy.state === 'in-sync' && copy.isConnected);
    return health === 'healthy' && isWhole && copies.length === copyCount ? volume : undefined;
  });
}
