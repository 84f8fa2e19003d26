import { mkdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unreachable } from '../../../replica/common/assert.ts';
import { KeelsonError, systemCodeOf } from '../../../replica/common/errors.ts';
import type { FileSystem } from '../core/contents.ts';
import { findMount, type MountEntry } from '../core/mount-table.ts';
import type { Disk } from './disk.ts';
import { type Outcome, run, runOk, saidBy } from './run.ts';

const MOUNT_INFO = '/proc/self/mountinfo';

/**
 * - noatime: a read should not become a write to every copy.
 * - errors=remount-ro: after an error, and after another host took the volume, nothing more is written.
 */
const MOUNT_OPTIONS: Readonly<Record<FileSystem, string>> = {
  ext4: 'noatime,errors=remount-ro',
  xfs: 'noatime',
};

/** A check of a large damaged file system takes its time; Docker calls again when it gave up. */
const CHECK_TIMEOUT_MS = 30 * 60_000;
/** e2fsck(8): 1 is "errors corrected". */
const E2FSCK_GOOD: readonly number[] = [0, 1];

export async function findMounted(path: string): Promise<MountEntry | undefined> {
  return findMount(await readFile(MOUNT_INFO, 'utf8'), path);
}

/** Nothing is discarded first: a blank volume has nothing to discard. */
export async function makeFileSystem({ path }: Disk, type: FileSystem): Promise<void> {
  switch (type) {
    case 'ext4':
      await runOk('mkfs.ext4', ['-q', '-F', '-E', 'nodiscard', path]);
      return;
    case 'xfs':
      await runOk('mkfs.xfs', ['-q', '-f', '-K', path]);
      return;
    default:
      unreachable(type, 'file system');
  }
}

/**
 * Repairs what can be repaired without asking. XFS does so when it is mounted.
 *
 * Errors: FAILED_PRECONDITION when somebody has to decide.
 */
export async function checkFileSystem({ path }: Disk, type: FileSystem): Promise<void> {
  if (type !== 'ext4') return;
  const outcome = await run('e2fsck', ['-p', path], CHECK_TIMEOUT_MS);
  if (E2FSCK_GOOD.includes(outcome.code)) return;
  throw new KeelsonError(
    'FAILED_PRECONDITION',
    `its ext4 is damaged and nothing was changed that needs a decision (${saidBy(outcome)}); log in by ` +
      'hand and run e2fsck -f on it',
  );
}

export async function mountFileSystem(disk: Disk, type: FileSystem, path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 });
  const outcome = await run('mount', ['-t', type, '-o', MOUNT_OPTIONS[type], disk.path, path]);
  if (outcome.code !== 0) throw mountFailed(disk, type, outcome);
}

/**
 * Takes away the directory that mkfs.ext4 makes. Docker copies what an image has at the mount point
 * into an empty volume only, and databases refuse a directory with anything in it. e2fsck makes it
 * again when it needs it.
 */
export async function emptyFileSystem(path: string): Promise<void> {
  try {
    await rmdir(join(path, 'lost+found'));
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}

export async function growFileSystem(disk: Disk, type: FileSystem, path: string): Promise<void> {
  switch (type) {
    case 'ext4':
      await runOk('resize2fs', [disk.path]);
      return;
    case 'xfs':
      await runOk('xfs_growfs', ['-d', path]);
      return;
    default:
      unreachable(type, 'file system');
  }
}

/** Errors: IO_FAILED, as when a program has its directory there. */
export async function unmountFileSystem(path: string): Promise<void> {
  await runOk('umount', [path]);
}

export async function removeMountPoint(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}

function mountFailed({ path }: Disk, type: FileSystem, outcome: Outcome): KeelsonError {
  return new KeelsonError(
    'IO_FAILED',
    `mount ${type} of ${path}: ${saidBy(outcome)} (exit code ${outcome.code}; the kernel's log says more)`,
  );
}
