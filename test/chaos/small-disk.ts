import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runOk } from '../support/child.ts';

/** Kept free by nobody: without a reserve for root, "full" means full. */
const MKFS_OPTIONS = ['-q', '-F', '-m', '0', '-E', 'nodiscard'];

/** A node's directory on a file system of its own that can be filled up. The namespace unmounts it at the latest. */
export class SmallDisk {
  readonly #ballast: string;
  readonly #mountPoint: string;

  private constructor(mountPoint: string) {
    this.#mountPoint = mountPoint;
    this.#ballast = join(mountPoint, 'ballast');
  }

  static async mount(image: string, mountPoint: string, sizeBytes: number): Promise<SmallDisk> {
    writeFileSync(image, '');
    truncateSync(image, sizeBytes);
    await runOk('mkfs.ext4', [...MKFS_OPTIONS, image]);
    mkdirSync(mountPoint, { recursive: true, mode: 0o700 });
    await runOk('mount', ['-o', 'loop', image, mountPoint]);
    return new SmallDisk(mountPoint);
  }

  /** Takes what is free, to the last few blocks that the file system needs for itself. */
  async fill(): Promise<void> {
    const { bavail, bsize } = statfsSync(this.#mountPoint);
    for (let blocks = bavail; blocks > 0; blocks = Math.floor(blocks * 0.99) - 1) {
      const length = ['-l', String(blocks * bsize)];
      const { code } = await run('fallocate', [...length, this.#ballast]);
      if (code === 0) return;
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  async unmount(): Promise<void> {
    await runOk('umount', [this.#mountPoint]);
  }
}
