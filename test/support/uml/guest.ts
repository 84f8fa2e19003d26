import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { exitOf, run, runOk } from '../child.ts';

/** The address at which the guest reaches its host. */
export const HOST_ADDRESS = '192.0.2.1';

const HERE = resolve('test/support/uml');
/** The host's side of it. */
export const TAP = 'keelson0';
const BOOT_TIMEOUT_MS = 60_000;

export interface Guest {
  /**
   * Runs one line of shell in the guest and returns what it printed.
   *
   * Errors: throws when it ends with anything but 0, or not within `timeoutMs`.
   */
  run(command: string, timeoutMs?: number): Promise<string>;
  /** Everything that came out of the console. */
  console(): string;
  stop(): Promise<void>;
}

/**
 * Prepares the network namespace that the caller runs in: a tap device for the guest, and a
 * translation from the host's side of it to a portal on a loopback address. It is done in the
 * kernel, so that the guest meets a dead portal as it is: connections reset and refused at once.
 */
export async function prepareNetwork(portalHost: string): Promise<void> {
  await runOk('ip', ['link', 'set', 'lo', 'up']);
  // A test before this one may have had the same namespace.
  await run('ip', ['link', 'delete', TAP]);
  await runOk('iptables', ['-t', 'nat', '-F', 'PREROUTING']);
  await runOk('ip', ['tuntap', 'add', 'dev', TAP, 'mode', 'tap']);
  await runOk('ip', ['addr', 'add', `${HOST_ADDRESS}/24`, 'dev', TAP]);
  await runOk('ip', ['link', 'set', TAP, 'up']);
  await runOk('sysctl', ['-qw', `net.ipv4.conf.${TAP}.route_localnet=1`]);
  const match = ['-d', HOST_ADDRESS, '-p', 'tcp', '--dport', '3260'];
  const translation = ['-j', 'DNAT', '--to-destination', portalHost];
  await runOk('iptables', ['-t', 'nat', '-A', 'PREROUTING', ...match, ...translation]);
}

/** Boots a Linux 6.1 with open-iscsi in about two seconds. */
export async function startGuest(): Promise<Guest> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-uml-'));
  const shim = await makeShim(directory);
  const child = spawn(
    'linux.uml',
    [
      ...['mem=512M', 'quiet', 'rootfstype=hostfs', 'rw', 'root=/dev/root'],
      ...[`init=${HERE}/init.sh`, `uml_dir=${directory}`],
      ...[`vec0:transport=tap,ifname=${TAP},depth=128,gro=1`, 'con=null', 'con0=fd:0,fd:1'],
      // UML saves no AVX-512 state, so the guest must not use it.
      'GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW',
    ],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      // The guest's memory is a file in TMPDIR.
      env: { ...process.env, TMPDIR: existsSync('/dev/shm') ? '/dev/shm' : directory, ...shim },
      detached: true, // UML is several processes; its group is ended as a whole
    },
  );
  let output = '';
  let onOutput = () => {};
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString().replaceAll('\r', '');
    onOutput();
  });

  const nextMark = (from: number, timeoutMs: number, what: string) =>
    new Promise<RegExpExecArray>((done, fail) => {
      const timer = setTimeout(() => {
        fail(new Error(`${what}: no end within ${timeoutMs} ms\n${output.slice(from)}`));
      }, timeoutMs);
      onOutput = () => {
        const mark = /@@(ready|\d+)\n/.exec(output.slice(from));
        if (mark === null) return;
        clearTimeout(timer);
        onOutput = () => {};
        done(mark);
      };
      onOutput();
    });

  const stop = async () => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // it has powered off already
    }
    await exitOf(child);
    rmSync(directory, { recursive: true, force: true });
  };

  try {
    await nextMark(0, BOOT_TIMEOUT_MS, 'boot the guest');
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async run(command, timeoutMs = 60_000) {
      const from = output.length;
      child.stdin.write(`${command}\n`);
      const mark = await nextMark(from, timeoutMs, `guest: ${command}`);
      const printed = output.slice(from, from + mark.index).trim();
      if (mark[1] !== '0') {
        throw new Error(`guest: ${command}: expected exit code 0, got ${mark[1]}\n${printed}`);
      }
      return printed;
    },
    console: () => output,
    stop,
  };
}

/** On CPUs with AMX, UML needs what xstate-shim.c explains. */
async function makeShim(directory: string): Promise<Record<string, string>> {
  if (!/\bamx_tile\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))) return {};
  const shim = join(directory, 'xstate-shim.so');
  await runOk('gcc', ['-O2', '-shared', '-fPIC', '-o', shim, join(HERE, 'xstate-shim.c'), '-ldl']);
  return { LD_PRELOAD: shim };
}
