import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Copy, makeInitialMembership } from '../../../../controller/protocol/membership.ts';
import { nodeNames } from '../../../../orchestrator/model/layout.ts';
import { LOOPBACK_ADDRESSES } from '../../../../orchestrator/model/loopback-addresses.ts';
import { decodeVolumeRequest } from '../../../../orchestrator/model/volume.ts';
import { Registry } from '../../../../orchestrator/registry/registry.ts';
import { lockRoot } from '../../../../orchestrator/registry/root-lock.ts';
import { decodeSlot, encodeSlot } from '../../../../orchestrator/registry/slot-file.ts';
import { StateFile } from '../../../../orchestrator/registry/state-file.ts';

const NONE: ReadonlySet<string> = new Set();

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-registry-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const slotPath = (letter: 'a' | 'b') => join(root, `state.${letter}`);

function request(name: string, replicas = 0) {
  return decodeVolumeRequest({ name, labels: { 'keelson.io/replicas': String(replicas) } });
}

describe('a size', () => {
  const update = { labelsAdd: {}, labelsRemove: [] };

  test('grows, may be taken back while no initiator has seen it, and never shrinks', async () => {
    const registry = await Registry.open(root, nodeNames(2));
    await registry.create(request('a'), NONE);
    const size = async (text: string) => {
      const { after } = await registry.update('default/a', { ...update, size: text }, NONE);
      return [after.spec.sizeBytes, after.membership.sizeBytes].map((bytes) => bytes / 1024 ** 3);
    };
    expect(await size('3Gi')).toEqual([3, 1]);
    expect(await size('2Gi')).toEqual([2, 1]);
    await expect(size('512Mi')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('expected at least 1GiB, which it has, got 512MiB'),
    });
  });
});

describe('a state slot', () => {
  const slot = { generation: 7, json: '{"name":"Schöpfwerk"}' };

  test('reads back as it was written', () => {
    expect(decodeSlot(encodeSlot(slot))).toEqual(slot);
  });

  test('is refused when any byte of it is changed', () => {
    const bytes = encodeSlot(slot);
    for (let index = 0; index < bytes.length; index += 1) {
      const damaged = Buffer.from(bytes);
      damaged[index] = (damaged[index] ?? 0) ^ 1;
      expect(decodeSlot(damaged)).toBeUndefined();
    }
  });

  test('is refused at every length but its own', () => {
    const bytes = encodeSlot(slot);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(decodeSlot(bytes.subarray(0, length))).toBeUndefined();
    }
    expect(decodeSlot(Buffer.concat([bytes, Buffer.from(' ')]))).toBeUndefined();
  });
});

describe('the state file', () => {
  test('keeps the last written state, whichever slot it is in', async () => {
    for (const json of ['1', '2', '3']) {
      const state = await StateFile.open(root, 'initial');
      await state.write(json);
      expect((await StateFile.open(root, 'initial')).json).toBe(json);
    }
  });

  test('falls back to the older slot when the newer one is torn at any length', async () => {
    const state = await StateFile.open(root, 'initial');
    await state.write('acknowledged'); // generation 3, slot a
    const whole = encodeSlot({ generation: 4, json: 'never acknowledged' });
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(slotPath('b'), whole.subarray(0, length));
      expect((await StateFile.open(root, 'initial')).json).toBe('acknowledged');
    }
  });

  test('starts anew when the very first write was torn', async () => {
    writeFileSync(slotPath('a'), 'keelson-state 1 1');
    expect((await StateFile.open(root, 'initial')).json).toBe('initial');
  });

  test('is refused when both slots are damaged', async () => {
    await StateFile.open(root, 'initial');
    for (const letter of ['a', 'b'] as const) writeFileSync(slotPath(letter), 'x');
    await expect(StateFile.open(root, 'initial')).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  test('trusts nothing any more after a write that failed', async () => {
    const state = await StateFile.open(root, 'initial');
    rmSync(root, { recursive: true });
    await expect(state.write('2')).rejects.toMatchObject({ code: 'IO_FAILED' });
    expect(() => state.checkUsable()).toThrow(/restart the orchestrator/);
    await expect(state.write('3')).rejects.toMatchObject({ code: 'IO_FAILED' });
    root = mkdtempSync(join(tmpdir(), 'keelson-registry-'));
  });

  test('is readable by its owner alone, because it holds secrets', async () => {
    await StateFile.open(root, 'initial');
    expect(statSync(slotPath('a')).mode & 0o777).toBe(0o600);
    expect(statSync(slotPath('b')).mode & 0o777).toBe(0o600);
  });
});

describe('the registry', () => {
  test('S6 S8 finds its volumes again after a restart, copies on different nodes', async () => {
    const registry = await Registry.open(root, nodeNames(3));
    const created = await registry.create(request('demo', 2), NONE);
    const again = await Registry.open(root, nodeNames(3));
    expect(again.get('default/demo')).toEqual(created);
    const nodes = Object.values(created.membership.copies).map(({ node }) => node);
    expect(nodes).toEqual(['node1', 'node2', 'node3']);
    expect(created.secret).toMatch(/^[0-9a-f]{64}$/);
  });

  test('spreads copies, and reuses the slot of a removed volume', async () => {
    const registry = await Registry.open(root, nodeNames(3));
    const [a, b] = [
      await registry.create(request('a'), NONE),
      await registry.create(request('b'), NONE),
    ];
    await registry.remove('default/a');
    const c = await registry.create(request('c'), NONE);
    expect([a.slot, b.slot, c.slot]).toEqual([0, 1, 0]);
    expect([a, b, c].map(({ membership }) => membership.copies.r1?.node)).toEqual([
      'node1',
      'node2',
      'node1',
    ]);
  });

  test('lets one of two changes of the same version win', async () => {
    const registry = await Registry.open(root, nodeNames(1));
    const { membership } = await registry.create(request('a'), NONE);
    const take = (instanceId: string) =>
      registry.changeMembership('default/a', {
        ...membership,
        version: 2,
        epoch: 1,
        generation: 1,
        controller: { instanceId, address: '127.0.1.1:3260' },
      });
    const [first, second] = await Promise.all([take('one'), take('two')]);
    expect(first.ok).toBe(true);
    expect(second).toMatchObject({
      ok: false,
      reason: 'version: expected 3, got 2',
      current: { controller: { instanceId: 'one' } },
    });
    const again = await Registry.open(root, nodeNames(1));
    expect(again.get('default/a')?.membership.controller?.instanceId).toBe('one');
  });

  test('N1 refuses a controller that moves a copy to another node', async () => {
    const registry = await Registry.open(root, nodeNames(2));
    await registry.create(request('a'), NONE);
    const moved = makeInitialMembership([{ replicaId: 'r1', node: 'node2' }], 1024 ** 3);
    const change = await registry.changeMembership('default/a', { ...moved, version: 2 });
    expect(change).toMatchObject({ ok: false, reason: /expected r1 on node1, got r1 on node2/ });
  });

  test('counts every change of what a controller is told, also over restarts', async () => {
    const registry = await Registry.open(root, nodeNames(3));
    await registry.create(request('a'), NONE);
    const heard: string[] = [];
    registry.subscribe((address) => heard.push(address));
    const edits = [{ kind: 'add-copy', node: 'node2' }] as const;
    const update = { labelsAdd: { 'storageos.com/replicas': '1' }, labelsRemove: [] };
    const revisions = [(await registry.registration('default/a', LOOPBACK_ADDRESSES)).revision];
    for (const change of [
      () => registry.addGoneInstance('default/a', 'i1'),
      () => registry.update('default/a', update, NONE),
      () => registry.update('default/a', update, NONE), // nothing to change
      () => registry.changeCopies('default/a', 1, edits),
      () => registry.changeCopies('default/a', 2, [{ kind: 'set-leaving', replicaIds: ['r1'] }]),
    ]) {
      void change();
      revisions.push((await registry.registration('default/a', LOOPBACK_ADDRESSES)).revision);
    }
    expect(revisions).toEqual([1, 2, 3, 3, 4, 5]);
    expect(heard).toEqual(Array.from({ length: 4 }, () => 'default/a'));
    const again = await (await Registry.open(root, nodeNames(3))).registration(
      'default/a',
      LOOPBACK_ADDRESSES,
    );
    expect(again).toMatchObject({ revision: 5, leaving: ['r1'], goneInstances: ['i1'] });
  });

  test('S37 lets the failure mode count on more replicas only once they are in sync', async () => {
    const registry = await Registry.open(root, nodeNames(3));
    const { membership } = await registry.create(request('a'), NONE);
    const told = async () =>
      (await registry.registration('default/a', LOOPBACK_ADDRESSES)).volume.replicas;
    const raise = (replicas: number) => {
      const labelsAdd = { 'keelson.io/replicas': String(replicas) };
      return registry.update('default/a', { labelsAdd, labelsRemove: [] }, NONE);
    };
    const controller = { instanceId: 'i1', address: '127.0.1.1:3260' };
    const claim = { ...membership, version: 2, epoch: 1, generation: 1, controller };
    await registry.changeMembership('default/a', claim);
    await raise(1);
    await registry.changeCopies('default/a', 2, [{ kind: 'add-copy', node: 'node2' }]);
    expect(await told()).toBe(0);
    const { copies } = registry.require('default/a').membership;
    const seen = { ...copies.r2!, dataId: 'd' };
    const change = async (version: number, generation: number, r2: Copy) => {
      const next = { ...claim, version, generation, copies: { ...copies, r2 } };
      expect(await registry.changeMembership('default/a', next)).toMatchObject({ ok: true });
      return told();
    };
    expect(await change(4, 1, seen)).toBe(0);
    expect(await change(5, 2, { ...seen, state: 'in-sync', generation: 2 })).toBe(1);
    // Lost again, it is missing; and no longer when it is not asked for any more.
    expect(await change(6, 3, { ...seen, state: 'stale', generation: 2 })).toBe(1);
    await raise(0);
    expect(await told()).toBe(0);
  });

  test('keeps the newest 64 instances that are gone', async () => {
    const registry = await Registry.open(root, nodeNames(1));
    await registry.create(request('a'), NONE);
    for (let number = 1; number <= 65; number += 1) {
      await registry.addGoneInstance('default/a', `i${number}`);
    }
    const { goneInstances } = await registry.registration('default/a', LOOPBACK_ADDRESSES);
    expect([goneInstances.length, goneInstances[0], goneInstances.at(-1)]).toEqual([
      64,
      'i2',
      'i65',
    ]);
  });

  test('remembers a controller that was started until it or its volume is gone', async () => {
    const started = (volume: string, instanceId: string) => {
      const process = { bootId: 'boot', pidNamespace: 'pid:[1]', pid: 7, startTicks: 100 };
      return { volume, instanceId, process };
    };
    const registry = await Registry.open(root, nodeNames(1));
    await registry.create(request('a'), NONE);
    await registry.create(request('b'), NONE);
    const instances = [started('default/a', 'i1'), started('default/b', 'i2')];
    const stored = instances.map((instance) => registry.addStartedInstance(instance));
    // A controller that is told of its volume is on the disk: nobody else could tell of its end.
    await registry.registration('default/b', LOOPBACK_ADDRESSES);
    const again = await Registry.open(root, nodeNames(1));
    expect(again.startedInstances).toEqual(instances);
    await Promise.all(stored);
    await again.addGoneInstance('default/a', 'i1');
    await again.remove('default/b');
    expect((await Registry.open(root, nodeNames(1))).startedInstances).toEqual([]);
  });

  test('never uses the id of a copy again, and knows what is left to erase after a restart', async () => {
    const registry = await Registry.open(root, nodeNames(3));
    await registry.create(request('a'), NONE);
    await registry.changeCopies('default/a', 1, [{ kind: 'add-copy', node: 'node2' }]);
    await registry.changeCopies('default/a', 2, [{ kind: 'remove-copy', replicaId: 'r2' }]);
    const again = await Registry.open(root, nodeNames(3));
    expect(again.get('default/a')?.removed).toEqual([{ replicaId: 'r2', node: 'node2' }]);
    await again.forgetRemoved('default/a', 'r2');
    await again.changeCopies('default/a', 3, [{ kind: 'add-copy', node: 'node2' }]);
    const { membership, removed } = again.require('default/a');
    expect([Object.keys(membership.copies), removed]).toEqual([['r1', 'r3'], []]);
  });

  test('changes no copies when a controller was faster', async () => {
    const registry = await Registry.open(root, nodeNames(2));
    const { membership } = await registry.create(request('a', 1), NONE);
    const claim = { ...membership, version: 2, epoch: 1, generation: 1 };
    const controller = { instanceId: 'i1', address: '127.0.1.1:3260' };
    expect((await registry.changeMembership('default/a', { ...claim, controller })).ok).toBe(true);
    await expect(
      registry.changeCopies('default/a', 1, [{ kind: 'add-copy', node: 'node2' }]),
    ).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('keeps what is known of nodes, and makes those that are new ready for their first use', async () => {
    const registry = await Registry.open(root, nodeNames(2));
    await registry.changeNode('node2', { isCordoned: true, isPrepared: true });
    await registry.setNodes(nodeNames(3));
    const again = await Registry.open(root, nodeNames(2));
    expect(again.nodes).toEqual([
      { name: 'node1', number: 1, isCordoned: false, isDraining: false, isPrepared: false },
      { name: 'node2', number: 2, isCordoned: true, isDraining: false, isPrepared: true },
      { name: 'node3', number: 3, isCordoned: false, isDraining: false, isPrepared: false },
    ]);
    expect(again.installationId).toBe(registry.installationId);
    await expect(again.changeNode('node4', {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const created = await again.create(request('a', 1), NONE);
    const places = Object.values(created.membership.copies).map(({ node }) => node);
    expect(places).toEqual(['node1', 'node3']);
    await expect(again.create(request('b', 1), new Set(['node1']))).rejects.toThrow(
      /expected at least 2, got 1, node1 is down, node2 is cordoned/,
    );
  });

  test('S4 creates nothing when there are fewer nodes than copies', async () => {
    const registry = await Registry.open(root, nodeNames(2));
    const before = readFileSync(slotPath('b'));
    await expect(registry.create(request('a', 2), NONE)).rejects.toThrow(
      /limited by the number of nodes/,
    );
    expect(registry.list()).toEqual([]);
    expect(readFileSync(slotPath('b'))).toEqual(before);
  });

  test('grows, but does not shrink below nodes that hold copies', async () => {
    const registry = await Registry.open(root, nodeNames(3));
    await registry.create(request('a', 1), NONE);
    await registry.setNodes(nodeNames(5));
    await registry.setNodes(nodeNames(2));
    await expect(registry.setNodes(nodeNames(1))).rejects.toThrow('node2: it holds 1 copies');
    expect((await Registry.open(root, nodeNames(3))).nodes.map(({ name }) => name)).toEqual([
      'node1',
      'node2',
    ]);
  });
});

test('the data root is refused to a second orchestrator until the first is gone', () => {
  const lock = lockRoot(root);
  expect(() => lockRoot(root)).toThrow(/another orchestrator runs on this directory/);
  lock.release();
  lockRoot(root).release();
});
