import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { eventually } from '../../support/child.ts';
import { type Guest, HOST_ADDRESS, prepareNetwork, startGuest } from '../../support/uml/guest.ts';
import type { Step, TargetUnderTest } from './target.ts';

export interface Report {
  readonly steps: readonly StepReport[];
  /** Records that the initiator had written and fsynced, all of them found again. */
  readonly recordCount: number;
  /** Lines of the guest's kernel log that an application must never see. */
  readonly kernelErrors: readonly string[];
}

export interface StepReport {
  readonly name: string;
  /** Longest time between two completed fsyncs, from the fault to the recovery. */
  readonly longestStallMs: number;
  readonly recoveryMs: number;
  /** From the kill until the portal took a TCP connection again; null where it never went away. */
  readonly portalBackMs: number | null;
}

const FILES = 8;
const FILE_MIB = 8;
const SETTLE_RECORDS_MS = 1_000;
const HERE = resolve('test/support/uml');
const KERNEL_ERRORS =
  /I\/O error|EXT4-fs error|EXT4-fs warning|rejecting I\/O|Medium Error|aborted journal|Remounting filesystem read-only/i;

/**
 * A Linux initiator with a file system on the volume, a writer that fsyncs without a pause, and one
 * fault after the other; in the end everything that was ever written is read back over a new login.
 */
export async function runScenario(
  target: TargetUnderTest,
  onProgress: (line: string) => void,
): Promise<Report> {
  await prepareNetwork(target.portalHost);
  const guest = await startGuest();
  try {
    await makeFileSystem(guest, target.targetName);
    await guest.run(
      `perl ${HERE}/writer.pl /run/volume/log /run/stop >/run/writer.out 2>&1 & writer=$!`,
    );
    const steps: StepReport[] = [];
    for (const step of target.steps) {
      await pause(SETTLE_RECORDS_MS);
      steps.push(await runStep(guest, step, target.portalHost));
      onProgress(`  ${formatStep(steps.at(-1)!)}`);
    }
    await pause(SETTLE_RECORDS_MS);
    await guest.run('touch /run/stop; wait $writer || { cat /run/writer.out; false; }');
    const recordCount = Number(/records (\d+)/.exec(await guest.run('cat /run/writer.out'))?.[1]);
    await checkEverything(guest, target.targetName, recordCount);
    const kernelLog = await guest.run('dmesg');
    const kernelErrors = kernelLog.split('\n').filter((line) => KERNEL_ERRORS.test(line));
    return { steps, recordCount, kernelErrors };
  } finally {
    await guest.stop();
  }
}

export function formatStep(step: StepReport): string {
  const portal = step.portalBackMs === null ? '' : `, portal back after ${step.portalBackMs} ms`;
  return (
    `${step.name}: longest stall ${step.longestStallMs} ms, ` +
    `recovered after ${step.recoveryMs} ms${portal}`
  );
}

async function makeFileSystem(guest: Guest, targetName: string): Promise<void> {
  const node = `iscsiadm -m node -T ${targetName} -p ${HOST_ADDRESS}`;
  await guest.run(`iscsiadm -m node -o new -T ${targetName} -p ${HOST_ADDRESS}`);
  await guest.run(`${node} -l`);
  // Logging in returns before the kernel has found the disk behind it.
  await guest.run('for i in $(seq 100); do [ -b /dev/sda ] && break; sleep 0.05; done');
  await guest.run('mkfs.ext4 -q /dev/sda && mount /dev/sda /run/volume');
  await guest.run(
    `for i in $(seq ${FILES}); do head -c ${FILE_MIB}M /dev/urandom > /run/volume/file$i; done`,
  );
  await guest.run('sync && cd /run/volume && sha256sum file* > /run/sums; cd /');
}

async function runStep(guest: Guest, step: Step, portalHost: string): Promise<StepReport> {
  const pid = await step.choose();
  const startSeconds = Date.now() / 1000;
  const startMs = performance.now();
  await killAtOnce(pid);
  const portal = step.hitsPortal ? whenPortalBack(portalHost) : Promise.resolve(null);
  const [backAtMs] = await Promise.all([portal, step.recover()]);
  const recoveryMs = Math.round(performance.now() - startMs);
  await whenWriting(guest);
  const gaps = (await guest.run('cat /run/writer.out'))
    .split('\n')
    .map((line) => /^gap (\S+) (\S+)$/.exec(line))
    .filter((match) => match !== null)
    .filter((match) => Number(match[1]) >= startSeconds)
    .map((match) => Number(match[2]) * 1000);
  return {
    name: step.name,
    longestStallMs: Math.round(Math.max(0, ...gaps)),
    recoveryMs,
    portalBackMs: backAtMs === null ? null : Math.round(backAtMs - startMs),
  };
}

/**
 * Returns when the process is not even a zombie any more: until its last thread is gone, its sockets
 * still take connections, and the portal would seem to be back.
 */
async function killAtOnce(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  const isGone = () => (existsSync(`/proc/${pid}`) ? undefined : true);
  await eventually(`${pid} is gone`, isGone, { everyMs: 1 });
}

/** A stall shows in the log only when it is over: waits until the file has grown. */
async function whenWriting(guest: Guest): Promise<void> {
  await guest.run(
    'was=$(stat -c %s /run/volume/log); ' +
      'until [ "$(stat -c %s /run/volume/log)" -gt "$was" ]; do sleep 0.02; done',
  );
}

async function checkEverything(guest: Guest, targetName: string, count: number): Promise<void> {
  await guest.run('sync && umount /run/volume');
  await guest.run('iscsiadm -m node -u');
  await guest.run('echo 3 > /proc/sys/vm/drop_caches');
  await guest.run(`iscsiadm -m node -T ${targetName} -p ${HOST_ADDRESS} -l`);
  await guest.run('for i in $(seq 100); do ls /dev/sd? >/dev/null 2>&1 && break; sleep 0.05; done');
  await guest.run('e2fsck -fn /dev/sd?');
  await guest.run('mount /dev/sd? /run/volume');
  await guest.run(
    'cd /run/volume && sha256sum --quiet -c /run/sums; result=$?; cd /; (exit $result)',
  );
  await guest.run(`perl ${HERE}/check.pl /run/volume/log ${count}`);
  await guest.run('umount /run/volume && iscsiadm -m node -u');
}

/** When the portal takes a connection again, asked every 5 ms; at most a minute. */
async function whenPortalBack(host: string): Promise<number> {
  const giveUpAtMs = performance.now() + 60_000;
  while (performance.now() < giveUpAtMs) {
    if (await canConnect(host)) return performance.now();
    await pause(5);
  }
  throw new Error(`${host}:3260 took no connection for a minute`);
}

function canConnect(host: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port: 3260 });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}
