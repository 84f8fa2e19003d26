import {
  attach,
  detach,
  type Formatting,
  type Wish,
} from '../../../../orchestrator/docker-driver/attachment.ts';
import { FakeHost, FakeVolume, Killed } from './support/fake-host.ts';

const WISH: Wish = {
  targetName: 'iqn.2026-11.io.keelson:default.db',
  portal: '127.0.1.1:3260',
  serial: 'fcad4a4e5bd372b462e16d3484d93b5e',
  mountPath: '/mounts/default.db',
  fileSystem: 'ext4',
  servedBytes: 1000,
  chap: null,
  others: async () => 0,
};

/** What a driver has on its disk, and finds there when it is started again. */
class Memory implements Formatting {
  isFormatting = false;
  get = () => this.isFormatting;
  set = async (isFormatting: boolean) => {
    this.isFormatting = isFormatting;
  };
}

const ATTACH = ['log-in', 'wait-for-disk', 'reserve', 'format', 'mount', 'empty'];
const DETACH = ['unmount', 'release', 'log-out', 'forget'];
/** Each step can be hit before it, in it and after it. */
const MOMENTS = Array.from({ length: 2 * ATTACH.length + 4 }, (_, index) => index / 2);

function make(volume = new FakeVolume()) {
  return { volume, host: new FakeHost(volume), memory: new Memory() };
}

/** Runs `work` until it is killed at that moment, or done. */
async function until(moment: number, host: FakeHost, work: () => Promise<void>): Promise<void> {
  host.killAfter = moment;
  await work().catch((error: unknown) => {
    if (!(error instanceof Killed)) throw error;
  });
  host.killAfter = Number.POSITIVE_INFINITY;
}

test('a blank volume is logged in, reserved, given a file system and mounted, in this order', async () => {
  const { host, memory, volume } = make();
  await attach(host, WISH, memory);
  expect(host.steps).toEqual(ATTACH);
  expect(volume.content).toEqual({ kind: 'file-system', type: 'ext4', bytes: 1000 });
  expect(host.hasLostAndFound).toBe(false);
  expect(memory.isFormatting).toBe(false);
});

test('a volume with a file system gets no other one, whatever was asked for', async () => {
  const { host, memory, volume } = make();
  volume.content = { kind: 'file-system', type: 'xfs', bytes: 1000 };
  volume.data = 'precious';
  await attach(host, WISH, memory);
  expect(host.steps).toEqual(['log-in', 'wait-for-disk', 'reserve', 'check', 'mount']);
});

test('everything is undone, in the opposite order', async () => {
  const { host, memory } = make();
  await attach(host, WISH, memory);
  host.steps.length = 0;
  await detach(host, WISH, memory);
  expect(host.steps).toEqual(DETACH);
  expect(host.isClean).toBe(true);
});

test('what is mounted already, or gone already, takes no step', async () => {
  const { host, memory } = make();
  await attach(host, WISH, memory);
  host.steps.length = 0;
  await attach(host, WISH, memory);
  expect(host.steps).toEqual([]);
  await detach(host, WISH, memory);
  host.steps.length = 0;
  await detach(host, WISH, memory);
  expect(host.steps).toEqual(['forget']);
});

test('a driver that is killed at any two moments of an attachment brings it to its end', async () => {
  for (const first of MOMENTS) {
    for (const second of MOMENTS) {
      const { host, memory, volume } = make();
      await until(first, host, () => attach(host, WISH, memory));
      await until(second, host, () => attach(host, WISH, memory));
      await attach(host, WISH, memory);
      expect([
        host.mounted,
        volume.content.kind,
        host.hasLostAndFound,
        memory.isFormatting,
      ]).toEqual(['ours', 'file-system', false, false]);
    }
  }
});

test('an attachment that is killed at any moment can be undone, killed at any moment again', async () => {
  for (const first of MOMENTS) {
    for (const second of MOMENTS) {
      const { host, memory, volume } = make();
      await until(first, host, () => attach(host, WISH, memory));
      await until(second, host, () => detach(host, WISH, memory));
      await detach(host, WISH, memory);
      expect(host.isClean).toBe(true);
      // Nothing half made is left for the next one.
      expect(volume.content.kind).not.toBe('foreign');
    }
  }
});

test('a detachment that is killed anywhere leaves what another attachment can take up', async () => {
  for (const moment of MOMENTS) {
    const { host, memory, volume } = make();
    await attach(host, WISH, memory);
    volume.data = 'precious';
    await until(moment, host, () => detach(host, WISH, memory));
    await attach(host, WISH, memory);
    expect(host.mounted).toBe('ours');
  }
});

test('what another host wrote meanwhile is never formatted, wherever this one was killed', async () => {
  for (const moment of MOMENTS) {
    const volume = new FakeVolume();
    const { host: a, memory } = make(volume);
    await until(moment, a, () => attach(a, WISH, memory));
    const { host: b, memory: otherMemory } = make(volume);
    if (volume.content.kind === 'foreign') {
      await expect(attach(b, WISH, otherMemory)).rejects.toThrow(/it holds half a file system/);
      continue;
    }
    await attach(b, WISH, otherMemory);
    volume.data = 'of the other host';
    await detach(b, WISH, otherMemory);
    // The host that was killed is started anew: no mount, no session, but the same memory.
    a.mounted = 'none';
    a.isLoggedIn = false;
    await attach(a, WISH, memory);
    expect([a.mounted, volume.content.kind]).toEqual(['ours', 'file-system']);
  }
});

test('foreign data is refused and left as it is', async () => {
  const { host, memory, volume } = make();
  volume.content = { kind: 'foreign', what: 'a LUKS volume' };
  volume.data = 'precious';
  await expect(attach(host, WISH, memory)).rejects.toThrow(
    /it holds a LUKS volume, .* nothing was changed/,
  );
  await detach(host, WISH, memory);
  expect([host.isClean, volume.content]).toEqual([
    true,
    { kind: 'foreign', what: 'a LUKS volume' },
  ]);
});

test('a file system that cannot be made leaves a blank volume', async () => {
  const { host, memory, volume } = make();
  host.failOn = 'format';
  await expect(attach(host, WISH, memory)).rejects.toThrow(/format: it failed/);
  await detach(host, WISH, memory);
  expect([host.isClean, volume.content.kind, memory.isFormatting]).toEqual([true, 'blank', false]);
});

test('a volume that has grown makes its file system grow, also while it is mounted', async () => {
  const { host, memory, volume } = make();
  await attach(host, WISH, memory);
  host.steps.length = 0;
  volume.bytes = 2000;
  await attach(host, { ...WISH, servedBytes: 2000 }, memory);
  expect(host.steps).toEqual(['rescan', 'grow']);
  await detach(host, WISH, memory);
  volume.bytes = 3000;
  host.steps.length = 0;
  await attach(host, { ...WISH, servedBytes: 3000 }, memory);
  expect(host.steps).toEqual(['log-in', 'wait-for-disk', 'reserve', 'check', 'mount', 'grow']);
});

test('a size that does not come, and a tool that cannot grow further, are tried once', async () => {
  const { host, memory } = make();
  await attach(host, WISH, memory);
  host.steps.length = 0;
  await attach(host, { ...WISH, servedBytes: 2000 }, memory);
  expect(host.steps).toEqual(['rescan']);
});

test('nobody is logged out while something on the host uses the disk', async () => {
  const { host, memory } = make();
  await attach(host, WISH, memory);
  host.isHeldElsewhere = true;
  await expect(detach(host, WISH, memory)).rejects.toMatchObject({ code: 'IN_USE' });
  expect([host.mounted, host.isLoggedIn]).toEqual(['none', true]);
  host.isHeldElsewhere = false;
  await detach(host, WISH, memory);
  expect(host.isClean).toBe(true);
});

test('a disk that is in use elsewhere on the host is mounted beside it, and neither checked nor formatted', async () => {
  const { host, memory, volume } = make();
  await attach(host, WISH, memory);
  host.mounted = 'none';
  host.isHeldElsewhere = true;
  host.steps.length = 0;
  await attach(host, WISH, memory);
  expect(host.steps).toEqual(['reserve', 'mount']);
  const blank = make();
  blank.host.isHeldElsewhere = true;
  await expect(attach(blank.host, WISH, blank.memory)).rejects.toMatchObject({ code: 'IN_USE' });
  expect([volume.content.kind, blank.volume.content.kind]).toEqual(['file-system', 'blank']);
});

test('a mount whose disk is gone is replaced', async () => {
  const { host, memory } = make();
  await attach(host, WISH, memory);
  host.mounted = 'stale';
  host.isLoggedIn = false;
  host.steps.length = 0;
  await attach(host, WISH, memory);
  expect(host.steps.slice(0, 2)).toEqual(['unmount', 'log-in']);
  expect(host.mounted).toBe('ours');
});
