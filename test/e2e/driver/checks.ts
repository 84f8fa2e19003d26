import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ChapCredentials } from '../../../controller/protocol/chap-credentials.ts';
import { type Keelson, startKeelson } from '../../support/keelson.ts';
import { type Guest, prepareNetwork, startGuest } from '../../support/uml/guest.ts';
import { docker, prepareEngine, SEED, startEngine } from './guest-docker.ts';
import { GuestDriver, mountPathOf } from './guest-driver.ts';
import { BLOCK_BYTES, OTHER_NAME, OtherHost } from './other-host.ts';

interface Bench {
  readonly guest: Guest;
  readonly keelson: Keelson;
  readonly driver: GuestDriver;
}

interface Check {
  readonly name: string;
  run(bench: Bench): Promise<void>;
}

const USER = { name: 'alice', secret: 'alices-secret-16' };
const TARGET = { name: 'keelson', secret: 'the-targets-own-1' };
const FOREIGN: ChapCredentials = {
  users: [{ name: 'bob', secret: 'bobs-own-secret-1' }],
  ...{ mutual: null, allowsShortSecrets: false },
};
const UML = resolve('test/support/uml');
/** Where a file system of 64 MiB has no metadata that it reads to be mounted. */
const MIDDLE = 20 * 1024 ** 2;
const KERNEL_ERRORS = /I\/O error|EXT4-fs (error|warning)|rejecting I\/O|aborted journal/i;

/** One after the other, while the waits of the fence go on beside them. */
const CHECKS: readonly Check[] = [
  { name: 'a blank volume gets ext4, and has its data when it is mounted again', run: checkData },
  { name: 'CHAP goes both ways, and no command line has a secret', run: checkChap },
  { name: 'data that is no file system is refused and left as it is', run: checkForeign },
  { name: 'ext4 grows while it is mounted, XFS when it is mounted again', run: checkGrowth },
  { name: 'a controller that is killed under a mount is waited for', run: checkController },
  { name: 'a disk that is still in use is not logged out from', run: checkBusy },
  { name: 'docker run writes to a volume, and other containers read it', run: checkDocker },
];
const FENCE: Check = {
  name: 'another host keeps its volume, loses it when it is gone, and writes no more',
  run: checkFence,
};
const KILLS: Check = {
  name: 'a driver that is killed after every command goes on where the host stands',
  run: checkKills,
};

/** Runs all checks in one guest; the first that fails throws. */
export async function runChecks(onDone: (name: string) => void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-driver-'));
  const keelson = await startKeelson({ isEmpty: true });
  try {
    await prepareNetwork('127.0.1.1');
    const guest = oneByOne(await startGuest());
    try {
      const driver = new GuestDriver(guest, directory);
      const bench = { guest, keelson, driver };
      const check = async ({ name, run }: Check) => {
        await run(bench).catch(async (error: unknown) => {
          throw new Error(`${name}\n${await driver.log()}`, { cause: error });
        });
        onDone(name);
      };
      await driver.prepare();
      await driver.start(`--chap-file ${writeChapFile(directory)}`);
      await startEngine(guest);
      const fence = check(FENCE);
      fence.catch(() => undefined); // it is awaited below, after a failure of another check perhaps
      for (const one of CHECKS) await check(one);
      await fence;
      await check(KILLS);
      await driver.stop();
    } finally {
      await guest.stop();
    }
  } finally {
    await keelson.stop();
    rmSync(directory, { recursive: true });
  }
}

/** The guest has one console: a command waits for the one before. */
function oneByOne(guest: Guest): Guest {
  let last: Promise<unknown> = Promise.resolve();
  const run: Guest['run'] = (command, timeoutMs) => {
    const result = last.then(() => guest.run(command, timeoutMs));
    last = result.catch(() => undefined);
    return result;
  };
  return { ...guest, run };
}

function writeChapFile(directory: string): string {
  const path = join(directory, 'chap');
  const line = (word: string, { name, secret }: typeof USER) => `${word} ${name} ${secret}\n`;
  writeFileSync(path, line('user', USER) + line('mutual-user', TARGET), { mode: 0o600 });
  return path;
}

async function checkData({ guest, driver }: Bench): Promise<void> {
  await driver.create('data', { size: '64Mi', 'storageos.feature.replicas': '1' });
  const path = await driver.mount('data', 'c1');
  // An empty directory: Docker fills it from the image, and databases want it so.
  expectText('a new volume', await guest.run(`ls -A ${path}`), /^$/);
  expectText('mounts', await guest.run('cat /proc/mounts'), new RegExp(`${path} ext4 rw,noatime`));
  await guest.run(`head -c 8M /dev/urandom > ${path}/file && sha256sum ${path}/file > /run/sum`);
  expectText('second use', await driver.mount('data', 'c2'), new RegExp(`^${path}$`));
  await driver.unmount('data', 'c1');
  expectText(
    'in use',
    await driver.fail('VolumeDriver.Remove', { Name: 'data' }),
    /by one container/,
  );
  await guest.run('sha256sum --quiet -c /run/sum');
  await driver.unmount('data', 'c2');
  expectText('left over', await driver.leftovers('data'), /^$/);
  await driver.mount('data', 'c3');
  await guest.run('sha256sum --quiet -c /run/sum');
  await driver.unmount('data', 'c3');
  await driver.ok('VolumeDriver.Remove', { Name: 'data' });
}

async function checkChap({ keelson, driver }: Bench): Promise<void> {
  await driver.create('secret', { size: '64Mi' });
  const name = { namespace: 'default', name: 'secret' };
  expectText('CHAP', (await keelson.api.volume(name)).chap, /^mutual$/);
  await driver.mount('secret', 'c1');
  await driver.unmount('secret', 'c1');
  const commands = await driver.commands();
  expectText('commands', commands, /default\.secret -p .* --login/);
  for (const { secret } of [USER, TARGET]) {
    if (commands.includes(secret)) throw new Error('a command line has a CHAP secret in it');
  }
  await keelson.api.updateVolume(name, { labelsAdd: {}, labelsRemove: [], chap: FOREIGN });
  const refusal = await driver.fail('VolumeDriver.Mount', { Name: 'secret', ID: 'c2' });
  expectText('refusal', refusal, /log in to .* refused; expected the volume's CHAP user/);
  await driver.ok('VolumeDriver.Remove', { Name: 'secret' });
}

async function checkFence({ guest, keelson, driver }: Bench): Promise<void> {
  const volume = await keelson.makeVolume('fenced', { size: '64Mi', replicas: 0 });
  const other = new OtherHost(volume);
  await other.logIn();
  await other.reserve();
  const refusal = await driver.fail('VolumeDriver.Mount', { Name: 'fenced', ID: 'c1' });
  expectText('refusal', refusal, new RegExp(`mounted on another host \\(${OTHER_NAME}\\)`));
  expectText('left over', await driver.leftovers('fenced'), /^$/);
  expectText('write of the holder', JSON.stringify(await other.write(MIDDLE)), /"good"/);
  other.crash();
  const path = await driver.mount('fenced', 'c1');
  await other.logIn();
  expectText('write of who was fenced', JSON.stringify(await other.write(MIDDLE)), /status 0x18/);
  other.crash();
  await guest.run(`echo ours > ${path}/file && sync -f ${path}/file`);
  await driver.unmount('fenced', 'c1');
  await other.logIn();
  await other.reserve(); // it was given back
  other.crash();
  await keelson.api.deleteVolume(volume, { isForced: true });
}

async function checkForeign({ keelson, driver }: Bench): Promise<void> {
  const volume = await keelson.makeVolume('foreign', { size: '64Mi', replicas: 0 });
  const other = new OtherHost(volume);
  await other.logIn();
  await other.write(volume.sizeBytes - BLOCK_BYTES);
  other.crash();
  const refusal = await driver.fail('VolumeDriver.Mount', { Name: 'foreign', ID: 'c1' });
  expectText('refusal', refusal, /first and the last 1 MiB are zero; nothing was changed/);
  expectText('left over', await driver.leftovers('foreign'), /^$/);
  await other.logIn();
  await other.expectWritten(volume.sizeBytes - BLOCK_BYTES);
  other.crash();
  await keelson.api.deleteVolume(volume, { isForced: true });
}

async function checkGrowth({ guest, keelson, driver }: Bench): Promise<void> {
  await driver.create('ext4', { size: '64Mi' });
  await driver.create('xfs', { size: '320Mi', fs: 'xfs' });
  const paths = [await driver.mount('ext4', 'c1'), await driver.mount('xfs', 'c1')];
  const sizes = async () => {
    const printed = await guest.run(`df --output=size -BM ${paths.join(' ')} | tail -n +2`);
    return printed.split('\n').map((line) => Number.parseInt(line, 10));
  };
  const [ext4Before = 0, xfsBefore = 0] = await sizes();
  await driver.unmount('xfs', 'c1');
  for (const [name, size] of [
    ['ext4', '128Mi'],
    ['xfs', '640Mi'],
  ] as const) {
    const volume = { namespace: 'default', name };
    await keelson.api.updateVolume(volume, { labelsAdd: {}, labelsRemove: [], size });
  }
  await driver.mount('ext4', 'c2');
  await driver.mount('xfs', 'c2');
  const [ext4 = 0, xfs = 0] = await sizes();
  if (ext4 < ext4Before * 1.9 || xfs < xfsBefore * 1.9) {
    throw new Error(
      `grow: expected twice of ${ext4Before} and ${xfsBefore} MiB, got ${ext4}, ${xfs}`,
    );
  }
  await driver.unmount('ext4', 'c1');
  await driver.unmount('ext4', 'c2');
  await driver.unmount('xfs', 'c2');
  for (const Name of ['ext4', 'xfs']) await driver.ok('VolumeDriver.Remove', { Name });
}

async function checkController({ guest, keelson, driver }: Bench): Promise<void> {
  await driver.create('busy', { size: '64Mi', 'keelson.io/replicas': '1' });
  const path = await driver.mount('busy', 'c1');
  await guest.run(`perl ${UML}/writer.pl ${path}/log /run/stop >/run/writer.out 2>&1 & writer=$!`);
  await guest.run(`until [ -s ${path}/log ]; do sleep 0.05; done`);
  process.kill(keelson.controller().pid, 'SIGKILL');
  await guest.run(
    `n=$(stat -c %s ${path}/log); until [ $(stat -c %s ${path}/log) -gt $((n + 40960)) ]; do sleep 0.05; done`,
  );
  await guest.run('touch /run/stop; wait $writer || { cat /run/writer.out; false; }');
  const count = /records (\d+)/.exec(await guest.run('cat /run/writer.out'))?.[1];
  await guest.run(`perl ${UML}/check.pl ${path}/log ${count}`);
  const errors = (await guest.run('dmesg')).split('\n').filter((line) => KERNEL_ERRORS.test(line));
  if (errors.length > 0) throw new Error(`the kernel saw errors:\n${errors.join('\n')}`);
  await driver.unmount('busy', 'c1');
  await driver.ok('VolumeDriver.Remove', { Name: 'busy' });
}

async function checkBusy({ guest, driver }: Bench): Promise<void> {
  await driver.create('held', { size: '64Mi' });
  const path = await driver.mount('held', 'c1');
  // A container whose mount outlives the use that Docker counts.
  await guest.run(`mkdir -p /run/held && mount --bind ${path} /run/held`);
  const refusal = await driver.fail('VolumeDriver.Unmount', { Name: 'held', ID: 'c1' });
  expectText('refusal', refusal, /its disk is in use on this host/);
  await guest.run('echo still here > /run/held/file && sync -f /run/held/file && umount /run/held');
  await driver.mount('held', 'c2');
  expectText('file', await guest.run(`cat ${path}/file`), /still here/);
  await driver.unmount('held', 'c2');
  await driver.ok('VolumeDriver.Remove', { Name: 'held' });
}

async function checkDocker({ guest, driver }: Bench): Promise<void> {
  await prepareEngine(guest);
  const wish = '--opt size=1 --opt storageos.feature.replicas=2';
  expectText('name', await docker(guest, `volume create --driver keelson ${wish} app`), /^app$/);
  const write = "/bin/sh -c 'cat /data/seed; echo written > /data/file'";
  const first = await docker(guest, `run --rm --network none -v app:/data tiny ${write}`);
  expectText('copied from the image', first, new RegExp(`^${SEED}$`));
  expectText('left over', await driver.leftovers('app'), /^$/);
  const mount = '--mount type=volume,source=app,destination=/data';
  await docker(guest, `run -di --name holder --network none ${mount} tiny /bin/sh -c 'read line'`);
  // Docker mounts the volume once more for this, with the ID that the container has it mounted with.
  const copied = await docker(guest, 'cp holder:/data/file /run/copied && cat /run/copied');
  expectText('copied to the host', copied, /^written$/);
  expectText('read', await docker(guest, 'exec holder /bin/cat /data/file'), /^written$/);
  const uses = await docker(guest, "volume inspect -f '{{.Status.usesHere}} {{.Mountpoint}}' app");
  expectText('uses', uses, new RegExp(`^1 ${mountPathOf('app')}$`));
  await driver.kill();
  await docker(guest, 'rm -f holder');
  expectText('left over', await driver.leftovers('app'), /^$/);
  expectText('name', await docker(guest, 'volume rm app'), /^app$/);
}

async function checkKills({ guest, driver }: Bench): Promise<void> {
  await driver.create('killed', { size: '64Mi' });
  await driver.killAfterEachCommand();
  const path = await driver.mount('killed', 'c1');
  expectText('a new volume', await guest.run(`ls -A ${path}`), /^$/);
  await guest.run(`echo kept > ${path}/file`);
  await driver.unmount('killed', 'c1');
  const kills = (await driver.endKilling()).join('\n');
  const steps = ['-o new', '--login', '--reserve', 'mkfs.ext4', '\nmount', '\numount', '--logout'];
  for (const step of steps) {
    if (!kills.includes(step)) throw new Error(`expected a kill after ${step}, got\n${kills}`);
  }
  expectText('left over', await driver.leftovers('killed'), /^$/);
  await driver.mount('killed', 'c2');
  expectText('file', await guest.run(`cat ${mountPathOf('killed')}/file`), /^kept$/);
  await driver.unmount('killed', 'c2');
  await driver.ok('VolumeDriver.Remove', { Name: 'killed' });
}

function expectText(what: string, text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`${what}: expected ${pattern}, got\n${text}`);
}
