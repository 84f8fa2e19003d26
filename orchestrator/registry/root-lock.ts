import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';

/**
 * Takes the data root for this process until `release` or its end; the kernel drops the lock of a
 * dead process, so nothing is ever left behind.
 *
 * Errors: IN_USE when another orchestrator holds it; IO_FAILED.
 */
export function lockRoot(root: string): { release(): void } {
  const path = join(root, 'lock');
  const fd = openLockFile(root, path);
  if (!tryLock(fd)) {
    closeSync(fd);
    throw new KeelsonError(
      'IN_USE',
      `start on ${root}: another orchestrator runs on this directory; stop it, or choose another with --data`,
    );
  }
  return { release: () => closeSync(fd) };
}

function openLockFile(root: string, path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (cause) {
    throw new KeelsonError(
      'IO_FAILED',
      `start on ${root}: expected a writable directory, got ${messageOf(cause)}; choose another with --data`,
      { cause },
    );
  }
}
