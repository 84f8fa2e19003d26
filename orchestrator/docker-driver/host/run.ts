import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { KeelsonError, systemCodeOf } from '../../../replica/common/errors.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Where each program comes from, for a host that lacks it. */
const PACKAGES = {
  iscsiadm: 'open-iscsi (Fedora, RHEL: iscsi-initiator-utils)',
  modprobe: 'kmod',
  sg_raw: 'sg3-utils (Fedora, RHEL: sg3_utils)',
  sg_persist: 'sg3-utils (Fedora, RHEL: sg3_utils)',
  'mkfs.ext4': 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  resize2fs: 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  xfs_growfs: 'xfsprogs',
  mount: 'mount (Fedora, RHEL: util-linux)',
  umount: 'mount (Fedora, RHEL: util-linux)',
} as const satisfies Record<string, string>;

export type Program = keyof typeof PACKAGES;

/** Most lie in sbin, which a service's PATH may lack. */
const FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** Longer than a portal may be away (replacement timeout, 120 s) before I/O to it fails. */
const TIMEOUT_MS = 150_000;
const MAX_SHOWN_CHARS = 300;

/**
 * Runs a program of the host to its end, without a shell.
 *
 * Errors: FAILED_PRECONDITION when it is not installed; IO_FAILED when it does not end in time.
 */
export function run(
  program: Program,
  args: readonly string[],
  timeoutMs = TIMEOUT_MS,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = {
      encoding: 'buffer',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
      env: environment(),
    } as const;
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr: stderr.toString() });
      if (systemCodeOf(error) === 'ENOENT') return reject(notInstalled(program));
      if (typeof error.code === 'number') {
        return resolve({ code: error.code, stdout, stderr: stderr.toString() });
      }
      const reason = error.killed === true ? `no end within ${timeoutMs / 1000} s` : error.message;
      reject(new KeelsonError('IO_FAILED', `run ${program}: ${reason}`, { cause: error }));
    });
  });
}

/** Errors: FAILED_PRECONDITION, for the first that is not installed. */
export async function requirePrograms(programs: readonly Program[]): Promise<void> {
  for (const program of programs) {
    const paths = FOLDERS.map((folder) => join(folder, program));
    const found = await Promise.allSettled(paths.map((path) => access(path, constants.X_OK)));
    if (found.every(({ status }) => status === 'rejected')) throw notInstalled(program);
  }
}

/** As `run`, and throws IO_FAILED with what it printed unless it ends with one of `codes`. */
export async function runOk(
  program: Program,
  args: readonly string[],
  { codes = [0], timeoutMs = TIMEOUT_MS }: { codes?: readonly number[]; timeoutMs?: number } = {},
): Promise<Outcome> {
  const outcome = await run(program, args, timeoutMs);
  if (codes.includes(outcome.code)) return outcome;
  const words = [program, ...args].join(' ');
  throw new KeelsonError('IO_FAILED', `${words}: exit code ${outcome.code}: ${saidBy(outcome)}`);
}

/** What a program printed, as one line. */
export function saidBy({ stdout, stderr }: Outcome): string {
  const text = `${stderr}\n${stdout.toString()}`.split('\n').map((line) => line.trim());
  return (
    text
      .filter((line) => line !== '')
      .join('; ')
      .slice(0, MAX_SHOWN_CHARS) || 'it says nothing'
  );
}

/** Messages in English, and nothing of what the driver knows: its token may be in its environment. */
function environment(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('KEELSON_'));
  return { ...Object.fromEntries(others), PATH: FOLDERS.join(':'), LC_ALL: 'C' };
}

function notInstalled(program: Program): KeelsonError {
  return new KeelsonError(
    'FAILED_PRECONDITION',
    `this host has no ${program}, which attaching a volume needs; install ${PACKAGES[program]}`,
  );
}
