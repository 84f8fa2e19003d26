import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '../../../../orchestrator/client/api-client.ts';
import {
  Attachments,
  type AttachmentsOptions,
} from '../../../../orchestrator/docker-driver/attachments.ts';
import { RecordStore } from '../../../../orchestrator/docker-driver/record-store.ts';
import { Wishes } from '../../../../orchestrator/docker-driver/wishes.ts';
import type { VolumeName } from '../../../../orchestrator/model/volume.ts';
import { monotonicClock } from '../../../../replica/common/clock.ts';
import { eventually } from '../../../support/child.ts';
import { FakeHost, FakeVolume, Killed } from './support/fake-host.ts';
import { type FakeOrchestrator, startFakeOrchestrator, VIEW } from './support/fake-orchestrator.ts';

const DB = { namespace: 'default', name: 'db' };
const CHAP = {
  users: [{ name: 'alice', secret: 'alices-secret-16' }],
  ...{ mutual: null, allowsShortSecrets: false },
};
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

let orchestrator: FakeOrchestrator;
let directory: string;
let store: RecordStore;
let opened: Attachments[];

beforeEach(async () => {
  orchestrator = await startFakeOrchestrator();
  directory = mkdtempSync(join(tmpdir(), 'keelson-driver-'));
  store = await RecordStore.open(directory, 'boot-1');
  opened = [];
});
afterEach(async () => {
  for (const attachments of opened) await attachments.close();
  store.close();
  await orchestrator.close();
  rmSync(directory, { recursive: true });
});

/** A driver that has just been started on what the last one left. */
async function open(
  linux: FakeHost,
  { chap = null, ...changed }: { chap?: typeof CHAP | null } & Partial<AttachmentsOptions> = {},
): Promise<Attachments> {
  const api = new ApiClient({ url: orchestrator.url });
  const mountPathOf = (volume: VolumeName) => store.mountPathOf(volume);
  const attachments = await Attachments.open({
    ...{ host: linux, store, clock: monotonicClock, log: quiet },
    wishes: new Wishes({ api, chap, mountPathOf }),
    ...{ retryMs: 3_600_000, abandonedMs: 3_600_000 },
    ...changed,
  });
  opened.push(attachments);
  return attachments;
}

const host = () => new FakeHost(new FakeVolume());
const records = () => readdirSync(join(directory, 'volumes'));
const mountPath = () => join(directory, 'mounts/default.db');

test('the first use mounts, the last one takes everything back', async () => {
  const linux = host();
  const attachments = await open(linux);
  expect(await attachments.mount(DB, 'a')).toBe(mountPath());
  expect(await attachments.mount(DB, 'b')).toBe(mountPath());
  expect(attachments.mountPointOf(DB)).toBe(mountPath());
  await attachments.markAnswered(DB, 'a');
  await attachments.markAnswered(DB, 'b');
  await attachments.unmount(DB, 'a');
  expect([linux.mounted, attachments.usesOf(DB)]).toEqual(['ours', 1]);
  await attachments.unmount(DB, 'b');
  expect([linux.isClean, attachments.mountPointOf(DB), records()]).toEqual([true, '', []]);
});

test('an unmount that nobody mounted, or that is repeated, is done already', async () => {
  const attachments = await open(host());
  await attachments.unmount(DB, 'a');
  await attachments.mount(DB, 'a');
  await attachments.unmount(DB, 'x');
  expect(attachments.usesOf(DB)).toBe(1);
  await attachments.unmount(DB, 'a');
  await attachments.unmount(DB, 'a');
  expect(attachments.usesOf(DB)).toBe(0);
});

test('a host that cannot mount says so, and nothing is begun', async () => {
  const linux = host();
  linux.isReady = false;
  const attachments = await open(linux);
  await expect(attachments.mount(DB, 'a')).rejects.toThrow(
    'mount volume default/db: this host has no initiator',
  );
  expect([linux.steps, records(), orchestrator.calls]).toEqual([[], [], []]);
});

test('a mount that fails leaves nothing, and can be tried again', async () => {
  const linux = host();
  const attachments = await open(linux);
  linux.failOn = 'mount';
  await expect(attachments.mount(DB, 'a')).rejects.toThrow(
    'mount volume default/db: mount: it failed',
  );
  expect([linux.isClean, records(), attachments.usesOf(DB)]).toEqual([true, [], 0]);
  linux.failOn = undefined;
  await attachments.mount(DB, 'a');
  expect(linux.mounted).toBe('ours');
});

test('a second use that fails does not touch the first', async () => {
  const linux = host();
  const attachments = await open(linux);
  await attachments.mount(DB, 'a');
  orchestrator.answer = () => ({ ...VIEW, servedBytes: 2000 });
  linux.failOn = 'rescan';
  await expect(attachments.mount(DB, 'b')).rejects.toThrow(/rescan/);
  expect([linux.mounted, attachments.usesOf(DB)]).toEqual(['ours', 1]);
});

test('a driver that was killed in a mount finishes the repeated one, and counts it once', async () => {
  for (let moment = 0; moment < 9; moment += 0.5) {
    const linux = host();
    linux.killAfter = moment;
    const first = await (await open(linux)).mount(DB, 'a').catch((error: unknown) => error);
    linux.killAfter = Number.POSITIVE_INFINITY;
    const attachments = await open(linux);
    if (first instanceof Killed || first === mountPath()) await attachments.mount(DB, 'a');
    else throw first;
    expect([linux.mounted, attachments.usesOf(DB)]).toEqual(['ours', 1]);
    await attachments.markAnswered(DB, 'a');
    await attachments.unmount(DB, 'a');
    expect([linux.isClean, records()]).toEqual([true, []]);
  }
});

test('a disk that is still in use when the last use ends is left later', async () => {
  const linux = host();
  const attachments = await open(linux);
  await attachments.mount(DB, 'a');
  linux.isHeldElsewhere = true;
  await expect(attachments.unmount(DB, 'a')).rejects.toMatchObject({ code: 'IN_USE' });
  expect([attachments.usesOf(DB), records()]).toEqual([0, ['default.db.json']]);
  await expect(attachments.leave(DB, async () => 'erased')).rejects.toMatchObject({
    code: 'IN_USE',
  });
  linux.isHeldElsewhere = false;
  expect(await attachments.leave(DB, async () => 'erased')).toBe('erased');
  expect([linux.isClean, records()]).toEqual([true, []]);
});

test('a mount that nobody uses any more is not taken for a good one', async () => {
  const linux = host();
  const attachments = await open(linux);
  await attachments.mount(DB, 'a');
  linux.failOn = 'unmount';
  await expect(attachments.unmount(DB, 'a')).rejects.toThrow(/unmount: it failed/);
  linux.failOn = undefined;
  linux.steps.length = 0;
  await attachments.mount(DB, 'b');
  expect(linux.steps.slice(0, 2)).toEqual(['unmount', 'release']);
  expect([linux.mounted, attachments.usesOf(DB)]).toEqual(['ours', 1]);
});

test('what nobody uses is tried again until it is gone', async () => {
  const linux = host();
  const attachments = await open(linux, { retryMs: 20 });
  await attachments.mount(DB, 'a');
  linux.isHeldElsewhere = true;
  await expect(attachments.unmount(DB, 'a')).rejects.toMatchObject({ code: 'IN_USE' });
  linux.isHeldElsewhere = false;
  await eventually('it has left', () => (records().length === 0 ? true : undefined));
  expect(linux.isClean).toBe(true);
});

test('uses that an engine forgot are dropped when no container has had the volume mounted for long', async () => {
  const linux = host();
  const abandonedMs = 200;
  const attachments = await open(linux, { abandonedMs, retryMs: 20 });
  await attachments.mount(DB, 'forgotten');
  await attachments.markAnswered(DB, 'forgotten');
  const mountedMs = monotonicClock.nowMs();
  await attachments.mount(DB, 'b');
  await attachments.unmount(DB, 'b');
  await eventually('it has left', () => (records().length === 0 ? true : undefined));
  expect(monotonicClock.nowMs() - mountedMs).toBeGreaterThanOrEqual(abandonedMs);
  expect(linux.isClean).toBe(true);
});

test('uses stay while a container has the volume mounted, however long', async () => {
  const linux = host();
  const isAsked = jest.spyOn(linux, 'isMountedElsewhere');
  const attachments = await open(linux, { abandonedMs: 20 });
  await attachments.mount(DB, 'a');
  linux.isHeldElsewhere = true;
  attachments.noteEngineStart();
  await eventually('it is looked at', () => (isAsked.mock.calls.length > 0 ? true : undefined));
  await attachments.markAnswered(DB, 'a'); // behind the look
  expect([linux.mounted, attachments.usesOf(DB)]).toEqual(['ours', 1]);
});

test('a volume that containers use here is not removed', async () => {
  const linux = host();
  const attachments = await open(linux);
  await attachments.mount(DB, 'a');
  linux.isHeldElsewhere = true;
  const erase = jest.fn();
  await expect(attachments.leave(DB, erase)).rejects.toThrow(
    'remove volume default/db: containers on this host have it mounted; stop and remove them first',
  );
  expect(erase).not.toHaveBeenCalled();
});

test('a volume whose uses an engine forgot can be removed at once', async () => {
  const linux = host();
  const attachments = await open(linux);
  await attachments.mount(DB, 'forgotten');
  expect(await attachments.leave(DB, async () => 'erased')).toBe('erased');
  expect([linux.isClean, records()]).toEqual([true, []]);
});

test('after the machine started anew the old uses are gone, and a new one mounts', async () => {
  const linux = host();
  await (await open(linux)).mount(DB, 'a');
  store.close();
  store = await RecordStore.open(directory, 'boot-2');
  linux.mounted = 'none';
  linux.isLoggedIn = false;
  const attachments = await open(linux);
  expect(attachments.usesOf(DB)).toBe(0);
  await attachments.mount(DB, 'b');
  expect([linux.mounted, attachments.usesOf(DB)]).toEqual(['ours', 1]);
});

test.each([
  ['was made anew under its old name', { id: 'b'.repeat(32) }, /made anew while containers here/],
  [
    'has another portal',
    { portal: '127.0.1.9:3260' },
    /moved from 127\.0\.1\.1:3260 to 127\.0\.1\.9:3260/,
  ],
])('a volume that %s is not mixed up with what is mounted', async (_, changed, reason) => {
  const linux = host();
  const attachments = await open(linux);
  await attachments.mount(DB, 'a');
  orchestrator.answer = () => ({ ...VIEW, ...changed });
  await expect(attachments.mount(DB, 'b')).rejects.toThrow(reason);
  expect(attachments.usesOf(DB)).toBe(1);
  await attachments.unmount(DB, 'a');
  await attachments.mount(DB, 'b');
  expect(linux.steps.filter((step) => step === 'log-in')).toHaveLength(2);
});

test('a session that somebody else opened on this host is left alone', async () => {
  const linux = host();
  linux.isLoggedIn = true;
  linux.isScanned = true;
  const attachments = await open(linux);
  await expect(attachments.mount(DB, 'a')).rejects.toThrow(
    /logged in to it already, and not by this driver/,
  );
  expect([linux.isLoggedIn, linux.steps, records()]).toEqual([true, [], []]);
});

test.each([
  ['is being deleted', { isDeleting: true }, /it is being deleted/],
  ['asks for CHAP', { chap: 'one-way' }, /start the driver with a --chap-file/],
  ['has a portal that looks like an option', { portal: '-x:3260' }, /expected an iSCSI target/],
  ['has a portal without a port', { portal: '127.0.1.1' }, /expected an iSCSI target/],
  ['has a target with a slash', { targetName: 'iqn.2026-11.x:../y' }, /expected an iSCSI target/],
  [
    'wants an unknown file system',
    { labels: { 'docker.keelson.io/fs': 'zfs' } },
    /expected ext4 or/,
  ],
])('a volume that %s is not mounted', async (_, changed, reason) => {
  orchestrator.answer = () => ({ ...VIEW, ...changed });
  const linux = host();
  const attachments = await open(linux);
  await expect(attachments.mount(DB, 'a')).rejects.toThrow(reason);
  expect([linux.steps, records()]).toEqual([[], []]);
});

test('a volume that asks for CHAP is mounted with the driver’s credentials', async () => {
  orchestrator.answer = () => ({ ...VIEW, chap: 'one-way' });
  const linux = host();
  const logIn = jest.spyOn(linux, 'logIn');
  await (await open(linux, { chap: CHAP })).mount(DB, 'a');
  expect(logIn.mock.calls[0]?.[0].chap).toEqual(CHAP);
});

test('calls on one volume go one after the other', async () => {
  const linux = host();
  const attachments = await open(linux);
  const uses = Array.from({ length: 8 }, (_, index) => `c${index}`);
  await Promise.all(uses.map((id) => attachments.mount(DB, id)));
  expect(linux.steps.filter((step) => step === 'mount')).toHaveLength(1);
  await Promise.all(uses.map((id) => attachments.unmount(DB, id)));
  expect(linux.isClean).toBe(true);
});

test('a record that is damaged keeps the driver from starting, and is named', async () => {
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(directory, 'volumes/default.db.json'), '{"version": 1');
  await expect(open(host())).rejects.toThrow(/read .*default\.db\.json: .*delete the file/);
});

test('two drivers on one directory: the second says so', async () => {
  await expect(RecordStore.open(directory, 'boot-1')).rejects.toThrow(
    /another driver runs on this directory/,
  );
});
