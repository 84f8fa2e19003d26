import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Health } from '../../controller/protocol/status.ts';
import { iscsiUrl } from '../../orchestrator/cli/format.ts';
import type { VolumeView } from '../../orchestrator/model/view.ts';
import { eventually } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { isAlive } from '../support/processes.ts';
import { expectPattern, tryWritePattern, writePattern } from '../support/qemu.ts';

/** Copies of one volume come and go while it is in use. Each test goes on where the last one ended. */
const NAME = { namespace: 'default', name: 'live' };
const KEPT = { byte: 0x11, offset: '8M', length: '24M' };
const BUSY = { byte: 0x77, offset: '40M', length: '1M' };
const WAITING = { byte: 0x33, offset: '48M', length: '1M' };

let keelson: Keelson;
let url = '';

beforeAll(async () => {
  keelson = await startKeelson({ nodes: 4, isEmpty: true, args: ['--replace-after', '1'] });
  const volume = await keelson.makeVolume(NAME.name, { size: '64Mi', replicas: 0 });
  url = iscsiUrl(volume);
  await writePattern(url, KEPT);
});
afterAll(() => keelson?.stop());

test('S35 S36 S37 replicas are added to a volume in use, and all copies hold the same bytes', async () => {
  const traffic = keepWriting();
  await update({ 'storageos.feature.replicas': '2' });
  const healths = new Set<Health>();
  const volume = await whenHealthy(3, healths);
  expect(await traffic.stop()).toBeGreaterThan(0);
  expect([...healths]).toEqual(['degraded', 'healthy']);
  expect(volume.copies.map(({ node }) => node).sort()).toEqual(['node1', 'node2', 'node3']);
  await expectSameBytes(volume);
  await expectPattern(url, KEPT);
});

test('S35 a replica that is not wanted any more goes with its process and its directory', async () => {
  const before = await keelson.api.volume(NAME);
  const replicas = keelson.replicas();
  await update({ 'keelson.io/replicas': '1' });
  const after = await whenHealthy(2);
  const gone = before.copies.find(({ node }) => !after.copies.some((copy) => copy.node === node));
  await eventually('its directory is erased', () =>
    directoryOf(gone?.node ?? '') === undefined ? true : undefined,
  );
  expect(replicas.filter(({ pid }) => isAlive(pid))).toHaveLength(2);
  await expectPattern(url, KEPT);
  await expectSameBytes(after);
});

test('S22 S28 a change of the failure mode frees a write that the old one held', async () => {
  for (const node of ['node3', 'node4']) await keelson.api.changeNode(node, { isCordoned: true });
  await update({ 'storageos.com/failure.mode': 'hard' });
  await loseNode2();
  const written = tryWritePattern(url, WAITING);
  await eventually('an initiator is logged in', async () =>
    (await keelson.api.volume(NAME)).controller.sessions === 1 ? true : undefined,
  );
  expect((await keelson.api.volume(NAME)).health).toBe('unavailable');
  await update({ 'storageos.com/failure.mode': 'soft' });
  expect(await written).toMatchObject({ isOk: true });
  expect((await keelson.api.volume(NAME)).health).toBe('degraded');
});

test('S19 S20 a copy whose node stays away is made anew on an available node', async () => {
  await keelson.api.changeNode('node3', { isCordoned: false });
  const volume = await whenHealthy(2);
  expect(volume.copies.map(({ node }) => node).sort()).toEqual(['node1', 'node3']);
  await expectSameBytes(volume);
});

test('S38 I9 a replaced copy is erased when its node is back, and never started', async () => {
  rmdirSync(nodePath('node2'));
  renameSync(`${nodePath('node2')}.away`, nodePath('node2'));
  expect(directoryOf('node2')).toBeDefined();
  await eventually('its directory is erased', () =>
    directoryOf('node2') === undefined ? true : undefined,
  );
  expect(keelson.output().match(/replica \S+ on node2 ready/g)).toHaveLength(1);
  const volume = await whenHealthy(2);
  await expectSameBytes(volume);
  for (const pattern of [KEPT, WAITING]) await expectPattern(url, pattern);
});

function update(labelsAdd: Record<string, string>): Promise<VolumeView> {
  return keelson.api.updateVolume(NAME, { labelsAdd, labelsRemove: [] });
}

/** @param healths gets every health that is seen meanwhile */
function whenHealthy(copyCount: number, healths = new Set<Health>()): Promise<VolumeView> {
  return eventually(`${copyCount} copies are in sync`, async () => {
    const volume = await keelson.api.volume(NAME);
    healths.add(volume.health);
    const isWhole = volume.copies.every((copy) => copy.state === 'in-sync' && copy.isConnected);
    const isSo = volume.health === 'healthy' && isWhole && volume.copies.length === copyCount;
    return isSo ? volume : undefined;
  });
}

/** An empty directory where the disk of node2 was mounted, and no process that still has it open. */
async function loseNode2(): Promise<void> {
  const [, replica] = keelson.replicas();
  renameSync(nodePath('node2'), `${nodePath('node2')}.away`);
  mkdirSync(nodePath('node2'));
  process.kill(replica?.pid ?? 0, 'SIGKILL');
  await eventually('the copy is struck off', async () => {
    const { copies } = await keelson.api.volume(NAME);
    return copies.some(({ node, state }) => node === 'node2' && state === 'stale') || undefined;
  });
}

/** Writes the same again and again until it is stopped; every write must succeed. */
function keepWriting() {
  let isStopped = false;
  let writeCount = 0;
  const writing = (async () => {
    while (!isStopped) {
      await writePattern(url, BUSY);
      writeCount += 1;
    }
  })();
  return {
    stop: async () => {
      isStopped = true;
      await writing;
      return writeCount;
    },
  };
}

async function expectSameBytes({ copies }: VolumeView): Promise<void> {
  const hashes = copies.map(({ node }) => {
    const data = readFileSync(join(directoryOf(node) ?? '', 'data'));
    return createHash('sha256').update(data).digest('hex');
  });
  expect(new Set(hashes).size).toBe(1);
}

function nodePath(node: string): string {
  return join(keelson.dataDir, 'nodes', node);
}

/** The directory of the volume's copy on a node, if there is one. */
function directoryOf(node: string): string | undefined {
  if (!existsSync(nodePath(node))) return undefined;
  const name = readdirSync(nodePath(node)).find((entry) => entry.startsWith('default.live-'));
  return name && join(nodePath(node), name);
}
