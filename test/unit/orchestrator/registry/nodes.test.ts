import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeVolumeRequest } from '../../../../orchestrator/model/volume.ts';
import { Registry } from '../../../../orchestrator/registry/registry.ts';

const NONE: ReadonlySet<string> = new Set();

let root = '';
let registry: Registry;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'keelson-nodes-'));
  registry = await Registry.open(root, ['node1', 'node2']);
});
afterEach(() => rmSync(root, { recursive: true }));

async function create(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const labels = { 'keelson.io/replicas': '1' };
    await registry.create(decodeVolumeRequest({ name, labels }), NONE);
  }
}

const drain = (down = NONE) => registry.useNode('node1', { isDraining: true }, down);

test('a node is drained although a volume there that is being deleted has nowhere to go', async () => {
  await create('a');
  await expect(drain()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await registry.markDeleting('default/a');
  await drain();
  expect(registry.nodes[0]).toMatchObject({ isCordoned: true, isDraining: true });
  expect((await Registry.open(root, [])).nodes[0]).toMatchObject({ isDraining: true });
});

test('a node that is down does not count among those that others could be moved to', async () => {
  await registry.setNodes(['node1', 'node2', 'node3']);
  await create('a');
  await expect(drain(new Set(['node3']))).rejects.toThrow(/1 can be used \(node3 is down\)/);
  await drain();
});

test('a node that is being drained goes on being so, although by now it could not be begun', async () => {
  await registry.setNodes(['node1', 'node2', 'node3']);
  await create('a');
  await drain();
  await registry.useNode('node3', { isCordoned: true }, NONE);
  await drain();
  expect(registry.nodes[0]).toMatchObject({ isDraining: true });
});

test('many volumes in the way are named in one sentence', async () => {
  await create('a', 'b', 'c', 'd', 'e', 'f', 'g');
  await expect(registry.removeNode('node2', { isForced: false })).rejects.toMatchObject({
    message:
      'remove node node2: it holds 7 copies, of default/a, default/b, default/c, default/d, ' +
      'default/e and 2 more; drain it first: keelson node drain node2',
  });
});

test('a change of a node that is not there changes nothing', async () => {
  for (const change of [
    () => registry.useNode('node9', { isCordoned: true }, NONE),
    () => registry.removeNode('node9', { isForced: true }),
  ]) {
    await expect(change()).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'node node9 does not exist',
    });
  }
});
