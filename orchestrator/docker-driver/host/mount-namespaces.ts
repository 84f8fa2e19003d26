import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasMountBeside } from '../core/mount-table.ts';
import { entriesOf } from './sessions.ts';

/**
 * Whether `device` is mounted anywhere on this host but at `path`: in a container, each of which has a
 * mount namespace of its own, or by hand. Every process is asked, one for each namespace.
 */
export async function isMountedBeside(device: string, path: string): Promise<boolean> {
  const seen = new Set<string>();
  for (const pid of await entriesOf('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const namespace = await readlink(join('/proc', pid, 'ns/mnt'));
      if (seen.has(namespace)) continue;
      seen.add(namespace);
      const table = await readFile(join('/proc', pid, 'mountinfo'), 'utf8');
      if (hasMountBeside(table, device, path)) return true;
    } catch {
      // It has ended meanwhile; what it had mounted went with it, or is seen through another process.
    }
  }
  return false;
}
