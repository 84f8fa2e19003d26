import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { iscsiUrl } from '../../orchestrator/cli/format.ts';
import { eventually } from '../support/child.ts';
import { type Keelson, startKeelson } from '../support/keelson.ts';
import { expectPattern, writePattern } from '../support/qemu.ts';

/** The picture that the project began with: five nodes, copies on 1, 3 and 5, nodes 2 and 4 free. */
const NAME = { namespace: 'default', name: 'data' };
const WRITTEN = { byte: 0x5a, offset: '4M', length: '8M' };

let keelson: Keelson;

beforeAll(async () => {
  keelson = await startKeelson({ nodes: 5, isEmpty: true, args: ['--replace-after', '1'] });
});
afterAll(() => keelson?.stop());

test('S9 of five nodes the copies are on 1, 3 and 5 when there is more on 2 and 4', async () => {
  for (const node of ['node1', 'node3', 'node5']) {
    await keelson.api.changeNode(node, { isCordoned: true });
  }
  await keelson.makeVolume('other', { size: '16Mi', replicas: 1 });
  for (const node of ['node1', 'node3', 'node5']) {
    await keelson.api.changeNode(node, { isCordoned: false });
  }
  const volume = await keelson.makeVolume(NAME.name, { size: '32Mi', replicas: 2 });
  expect(nodesOf(volume)).toEqual(['node1', 'node3', 'node5']);
  await whenHealthy();
  await writePattern(iscsiUrl(volume), WRITTEN);
});

test('S17 S19 when one of them is lost, a new copy is made and synced on 2 or 4', async () => {
  const lost = join(keelson.dataDir, 'nodes', 'node3');
  renameSync(lost, `${lost}.away`);
  mkdirSync(lost); // where the disk was mounted, there is an empty directory now
  const replica = keelson.replicas().find(({ command }) => command.includes(lost));
  process.kill(replica?.pid ?? 0, 'SIGKILL');
  const volume = await eventually('a copy on another node is in sync', async () => {
    const seen = await keelson.api.volume(NAME);
    return seen.health === 'healthy' && !nodesOf(seen).includes('node3') ? seen : undefined;
  });
  expect([
    ['node1', 'node2', 'node5'],
    ['node1', 'node4', 'node5'],
  ]).toContainEqual(nodesOf(volume));
  await expectPattern(iscsiUrl(volume), WRITTEN);
});

function nodesOf({ copies }: { copies: readonly { node: string }[] }): string[] {
  return copies.map(({ node }) => node).sort();
}

function whenHealthy(): Promise<true> {
  return eventually('all copies are in sync', async () => {
    return (await keelson.api.volume(NAME)).health === 'healthy' ? true : undefined;
  });
}
