import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { CopyState } from '../../../../controller/protocol/membership.ts';
import type { NodeUse } from '../../../../orchestrator/model/node.ts';
import { World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.start();
});
afterEach(() => world.stop());

const create = (name: string, replicas: number) =>
  world.client.createVolume({
    ...{ namespace: 'default', name },
    labels: { 'keelson.io/replicas': String(replicas) },
  });
const recordOf = (name: string) => world.installation.registry.require(`default/${name}`);
const change = (node: string, use: Partial<NodeUse>) => world.client.changeNode(node, use);
const remove = (node: string, isForced = false) => world.client.removeNode(node, { isForced });

/** What a controller would do: it alone changes the state of a copy. */
async function setState(name: string, replicaId: string, state: CopyState): Promise<void> {
  const { membership } = recordOf(name);
  const copy = membership.copies[replicaId]!;
  const next = {
    ...membership,
    ...{ version: membership.version + 1, generation: membership.generation + 1 },
    copies: { ...membership.copies, [replicaId]: { ...copy, state } },
  };
  const change = await world.installation.registry.changeMembership(`default/${name}`, next);
  expect(change).toMatchObject({ ok: true });
}

/** Only the holder of the epoch may change states. */
async function claim(name: string): Promise<void> {
  const { membership } = recordOf(name);
  const next = {
    ...membership,
    ...{ version: membership.version + 1, epoch: 1, generation: 1 },
    controller: { instanceId: 'i1', address: '127.0.1.1:3260' },
  };
  const change = await world.installation.registry.changeMembership(`default/${name}`, next);
  expect(change).toMatchObject({ ok: true });
}

describe('a node', () => {
  test('is shown with its copies, as one of all and by itself', async () => {
    await create('b', 1);
    await create('a', 0);
    const [node1, node2, node3] = await world.client.nodes();
    expect(node1).toEqual({
      ...{ name: 'node1', address: '127.0.0.11', directory: join(world.root, 'nodes/node1') },
      ...{ copyCount: 1, isCordoned: false, isDraining: false, downReason: null },
      copies: [{ volume: 'default/b', replicaId: 'r1', state: 'in-sync' }],
    });
    expect([node2?.copyCount, node3?.copies.map(({ volume }) => volume)]).toEqual([
      1,
      ['default/a'],
    ]);
    expect(await world.client.node('node2')).toEqual(node2);
    await expect(world.client.node('node9')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'node node9 does not exist',
    });
  });

  test.each<[Partial<NodeUse>[], NodeUse]>([
    [[{ isCordoned: true }], { isCordoned: true, isDraining: false }],
    [[{ isDraining: true }], { isCordoned: true, isDraining: true }],
    [[{ isCordoned: true, isDraining: true }], { isCordoned: true, isDraining: true }],
    [[{ isDraining: true }, { isDraining: false }], { isCordoned: true, isDraining: false }],
    [[{ isDraining: true }, { isCordoned: true }], { isCordoned: true, isDraining: true }],
    [[{ isDraining: true }, { isCordoned: false }], { isCordoned: false, isDraining: false }],
    [[{ isDraining: false }], { isCordoned: false, isDraining: false }],
  ])('that is told %j is used as %j', async (told, use) => {
    for (const one of told) await change('node2', one);
    expect(await world.client.node('node2')).toMatchObject(use);
  });

  test.each<[object, string]>([
    [{}, 'node: expected isCordoned or isDraining'],
    [{ isDraining: 1 }, 'isDraining: expected true or false, got 1'],
    [{ drain: true }, 'field "drain": not known; expected isCordoned, isDraining'],
    [{ isDraining: true, isCordoned: false }, 'isCordoned: expected true, as a node that is'],
  ])('that is told %j stays as it is', async (told, reason) => {
    await expect(change('node2', told)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(reason),
    });
    expect(await world.client.node('node2')).toMatchObject({ isCordoned: false });
  });
});

describe('draining a node', () => {
  test('adds a copy elsewhere', async () => {
    await create('a', 1);
    expect(await change('node1', { isDraining: true })).toMatchObject({ copyCount: 1 });
    await world.waitForEvent(/^copy r3 on node3 added/);
  });

  test('is refused when it would never end, naming the volumes and why', async () => {
    await create('a', 1);
    await create('b', 1);
    await change('node3', { isCordoned: true });
    await expect(change('node1', { isDraining: true })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message:
        'drain node node1: it would never be empty: default/a wants 2 nodes, of the others 1 can be ' +
        'used (node3 is cordoned); add or uncordon a node, or ask for fewer replicas',
    });
    expect(await world.client.node('node1')).toMatchObject({ isCordoned: false });
    await change('node3', { isCordoned: false });
    expect(await change('node1', { isDraining: true })).toMatchObject({ isDraining: true });
    // A second one would leave one node for two copies.
    await expect(change('node2', { isDraining: true })).rejects.toThrow(/node1 is cordoned/);
    expect(await change('node1', { isDraining: true })).toMatchObject({ isDraining: true });
  });

  test('is refused where every node holds a copy, until fewer are wanted', async () => {
    await create('a', 2);
    await expect(change('node2', { isDraining: true })).rejects.toThrow(
      /default\/a wants 3 nodes, of the others 2 can be used; add or uncordon/,
    );
    const update = { labelsAdd: { 'keelson.io/replicas': '1' }, labelsRemove: [] };
    await world.client.updateVolume({ namespace: 'default', name: 'a' }, update);
    expect(await change('node2', { isDraining: true })).toMatchObject({ isDraining: true });
  });

  test('of a node that holds nothing is done at once', async () => {
    await change('node2', { isCordoned: true });
    await change('node3', { isCordoned: true });
    expect(await change('node1', { isDraining: true })).toMatchObject({ copies: [] });
  });
});

describe('removing a node', () => {
  test('that holds nothing forgets it, but not the last one', async () => {
    await remove('node2');
    expect((await world.client.nodes()).map(({ name }) => name)).toEqual(['node1', 'node3']);
    await expect(remove('node2')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(create('a', 2)).rejects.toThrow(/expected at least 3, got 2/);
    await remove('node1');
    for (const isForced of [false, true]) {
      await expect(remove('node3', isForced)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: 'remove node node3: it is the only node of the installation',
      });
    }
  });

  test('that holds copies is refused with what to do', async () => {
    await create('a', 2);
    await create('b', 2);
    await expect(remove('node1')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message:
        'remove node node1: it holds 2 copies, of default/a, default/b; ' +
        'drain it first: keelson node drain node1',
    });
  });

  test('is refused, even forced, while its copies are in use', async () => {
    await create('a', 1);
    await expect(remove('node1', true)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(
        /^remove node node1: its copies of default\/a are in-sync, so they are in use; drain it/,
      ),
    });
  });

  test('I12 is refused, even forced, when the last in-sync copy of a volume is there', async () => {
    await create('a', 1);
    await create('b', 0);
    await claim('a');
    await setState('a', 'r2', 'stale');
    const before = recordOf('a');
    await expect(remove('node1', true)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(
        /^remove node node1: the last in-sync copy of default\/a is there; bring the node back/,
      ),
    });
    await expect(remove('node3', true)).rejects.toThrow(/the last in-sync copy of default\/b/);
    expect(recordOf('a')).toBe(before);
  });

  test('forced counts its other copies as lost, and leaves what is on its disk', async () => {
    await create('a', 1);
    await claim('a');
    await setState('a', 'r2', 'stale');
    renameSync(join(world.root, 'nodes/node2'), join(world.root, 'nodes/gone'));
    await remove('node2', true);
    expect(recordOf('a')).toMatchObject({ removed: [] });
    expect(Object.keys(recordOf('a').membership.copies)).not.toContain('r2');
    await world.waitForEvent(/^copy r2 on node2 removed, degraded \(1 of 2 copies in sync\)$/);
    await world.waitForEvent(/^copy r3 on node3 added/);
    expect((await world.client.nodes()).map(({ name }) => name)).toEqual(['node1', 'node3']);
  });

  test('is refused while removed copies are still to be erased there, unless forced', async () => {
    await create('a', 1);
    await claim('a');
    await setState('a', 'r2', 'stale');
    renameSync(join(world.root, 'nodes/node2'), join(world.root, 'nodes/gone'));
    const { version } = recordOf('a').membership;
    const edits = [{ kind: 'remove-copy', replicaId: 'r2' }] as const;
    await world.installation.registry.changeCopies('default/a', version, edits);
    await expect(remove('node2')).rejects.toThrow(
      /removed copies of default\/a are still to be erased there; wait for that, or use --force/,
    );
    await remove('node2', true);
    expect(recordOf('a').removed).toEqual([]);
  });
});
