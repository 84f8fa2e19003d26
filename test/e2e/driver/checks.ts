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
const KERNEL_ERRORS = /I\/O error|XFS.*(error|shut)|rejecting I\/O/i;

/** Those of a group side by side: much of each is waiting. */
const GROUPS: readonly (readonly Check[])[] = [
  [
    { name: 'docker run writes to a volume with CHAP, and others read it', run: checkDocker },
    {
      name: 'another host keeps its volume, loses it when it is gone, and writes no more',
      run: checkFence,
    },
  ],
  [
    { name: 'data that is no file system is refused and left as it is', run: checkForeign },
    {
      name: 'a mount outlives its controller, grows, and stays while it is used',
      run: checkMount,
    },
  ],
  [
    {
      name: 'a driver that is killed after a command goes on where the host stands',
      run: checkKills,
    },
  ],
];

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
      await driver.prepare();
      await startEngine(guest);
      await driver.start(`--chap-file ${writeChapFile(directory)}`);
      for (const group of GROUPS) {
        await Promise.all(
          group.map(async ({ name, run }) => {
            await run(bench).catch(async (error: unknown) => {
              throw new Error(`${name}\n${await driver.log()}`, { cause: error });
            });
            onDone(name);
          }),
        );
      }
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

async function checkDocker(bench: Bench): Promise<void> {
  const { guest, driver } = bench;
  await prepareEngine(guest);
  const wish = '--opt size=1 --opt storageos.feature.replicas=2';
  expectText('name', await docker(guest, `volume create --driver keelson ${wish} app`), /^app$/);
  // The new file system is empty, so Docker fills it from the image.
  const write = "/bin/sh -c 'cat /data/seed; echo written > /data/file'";
  const first = await docker(guest, `run --rm --network none -v app:/data tiny ${write}`);
  expectText('copied from the image', first, new RegExp(`^${SEED}$`));
  expectText('left over', await driver.leftovers('app'), /^$/);
  const mount = '--mount type=volume,source=app,destination=/data';
  await docker(guest, `run -di --name holder --network none ${mount} tiny /bin/sh -c 'read line'`);
  const mounts = await guest.run('cat /proc/mounts');
  expectText('mounts', mounts, new RegExp(`${mountPathOf('app')} ext4 rw,noatime`));
  // Docker mounts the volume once more for this, with the ID that the container has it mounted with.
  const copied = await docker(guest, 'cp holder:/data/file /run/copied && cat /run/copied');
  expectText('copied to the host', copied, /^written$/);
  expectText('read', await docker(guest, 'exec holder /bin/cat /data/file'), /^written$/);
  const uses = await docker(guest, "volume inspect -f '{{.Status.usesHere}} {{.Mountpoint}}' app");
  expectText('uses', uses, new RegExp(`^1 ${mountPathOf('app')}$`));
  const refusal = await driver.fail('VolumeDriver.Remove', { Name: 'app' });
  expectText(
    'removal',
    refusal,
    /containers on this host have it mounted; stop and remove them first/,
  );
  await driver.kill();
  await docker(guest, 'rm -f holder');
  expectText('left over', await driver.leftovers('app'), /^$/);
  await checkChap(bench, 'app');
  expectText('name', await docker(guest, 'volume rm app'), /^app$/);
}

/** It has gone well until now; then the volume gets other users. */
async function checkChap({ keelson, driver }: Bench, name: string): Promise<void> {
  const volume = { namespace: 'default', name };
  expectText('CHAP', (await keelson.api.volume(volume)).chap, /^mutual$/);
  const commands = await driver.commands();
  expectText('commands', commands, new RegExp(`default\\.${name} -p .* --login`));
  for (const { secret } of [USER, TARGET]) {
    if (commands.includes(secret)) throw new Error('a command line has a CHAP secret in it');
  }
  await keelson.api.updateVolume(volume, { labelsAdd: {}, labelsRemove: [], chap: FOREIGN });
  const refusal = await driver.fail('VolumeDriver.Mount', { Name: name, ID: 'c' });
  expectText('refusal', refusal, /log in to .* refused; expected the volume's CHAP user/);
  expectText('left over', await driver.leftovers(name), /^$/);
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

async function checkMount(bench: Bench): Promise<void> {
  const { guest, keelson, driver } = bench;
  await driver.create('held', { size: '320Mi', fs: 'xfs', 'keelson.io/replicas': '1' });
  const path = await driver.mount('held', 'c1');
  await killController(bench, 'held', path);
  const before = await sizeOf(guest, path);
  await keelson.api.updateVolume(volumeNamed('held'), grownTo('640Mi'));
  await driver.mount('held', 'c2'); // while it is mounted
  expectTwice(before, await sizeOf(guest, path));
  await driver.unmount('held', 'c2');
  // A container whose mount outlives the use that Docker counts.
  await guest.run(`mkdir -p /run/held && mount --bind ${path} /run/held`);
  const refusal = await driver.fail('VolumeDriver.Unmount', { Name: 'held', ID: 'c1' });
  expectText('refusal', refusal, /its disk is in use on this host/);
  await guest.run('echo kept > /run/held/file && sync -f /run/held/file && umount /run/held');
  await driver.mount('held', 'c3');
  expectText('file', await guest.run(`cat ${path}/file`), /^kept$/);
  await driver.unmount('held', 'c3');
  expectText('left over', await driver.leftovers('held'), /^$/);
  await driver.ok('VolumeDriver.Remove', { Name: 'held' });
}

/** With a writer on the mount that fsyncs without a pause, and sees no error. */
async function killController(bench: Bench, volume: string, path: string): Promise<void> {
  const { guest, keelson } = bench;
  const log = `${path}/log`;
  await guest.run(
    `perl ${UML}/writer.pl ${log} /run/stop >/run/writer.out 2>&1 & writer=$!; until [ -s ${log} ]; do sleep 0.05; done`,
  );
  const controller = keelson
    .processes()
    .find(({ command }) => command.includes(`controller/main.ts --volume default/${volume} `));
  if (controller === undefined) throw new Error(`the controller of ${volume} does not run`);
  process.kill(controller.pid, 'SIGKILL');
  const size = `$(stat -c %s ${log})`;
  await guest.run(`n=${size}; until [ ${size} -gt $((n + 40960)) ]; do sleep 0.05; done`);
  await guest.run('touch /run/stop; wait $writer || { cat /run/writer.out; false; }');
  const count = /records (\d+)/.exec(await guest.run('cat /run/writer.out'))?.[1];
  await guest.run(`perl ${UML}/check.pl ${log} ${count}`);
  const errors = (await guest.run('dmesg')).split('\n').filter((line) => KERNEL_ERRORS.test(line));
  if (errors.length > 0) throw new Error(`the kernel saw errors:\n${errors.join('\n')}`);
}

async function checkKills({ guest, keelson, driver }: Bench): Promise<void> {
  await driver.create('killed', { size: '64Mi' });
  const steps = ['--login', '--logout', '--reserve', 'mkfs.ext4', 'mount -t', 'umount /'];
  await driver.killAfter(steps);
  const path = await driver.mount('killed', 'c1');
  expectText('a new volume', await guest.run(`ls -A ${path}`), /^$/);
  await guest.run(`echo kept > ${path}/file`);
  const before = await sizeOf(guest, path);
  await driver.unmount('killed', 'c1');
  expectText('kills', (await driver.killedAfter()).sort().join(), new RegExp(`^${steps.join()}$`));
  expectText('left over', await driver.leftovers('killed'), /^$/);
  await keelson.api.updateVolume(volumeNamed('killed'), grownTo('128Mi'));
  await driver.mount('killed', 'c2'); // ext4 grows when it is mounted again
  expectTwice(before, await sizeOf(guest, path));
  expectText('file', await guest.run(`cat ${path}/file`), /^kept$/);
  await driver.unmount('killed', 'c2');
  await driver.ok('VolumeDriver.Remove', { Name: 'killed' });
}

function volumeNamed(name: string) {
  return { namespace: 'default', name };
}

function grownTo(size: string) {
  return { labelsAdd: {}, labelsRemove: [], size };
}

/** MiB that a file system has room for. */
async function sizeOf(guest: Guest, path: string): Promise<number> {
  return Number.parseInt(await guest.run(`df --output=size -BM ${path} | tail -n 1`), 10);
}

/** A little less goes to what a file system keeps for itself. */
function expectTwice(beforeMib: number, afterMib: number): void {
  if (beforeMib > 0 && afterMib > beforeMib * 1.9) return;
  throw new Error(`grow: expected twice of ${beforeMib} MiB, got ${afterMib}`);
}

function expectText(what: string, text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`${what}: expected ${pattern}, got\n${text}`);
}
