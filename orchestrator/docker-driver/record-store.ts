import { closeSync, openSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { isDiskFull, KeelsonError, messageOf } from '../../replica/common/errors.ts';
import { parseJson } from '../../replica/common/validate.ts';
import type { VolumeName } from '../model/volume.ts';
import { type AttachmentRecord, decodeRecord, encodeRecord } from './core/attachment-record.ts';

const SUFFIX = '.json';

/**
 * The driver's memory, of this host alone:
 *
 *   DIR/lock                          held while a driver runs
 *   DIR/volumes/NAMESPACE.NAME.json   one attachment record
 *   DIR/mounts/NAMESPACE.NAME         where the file system is mounted
 */
export class RecordStore {
  readonly #directory: string;
  readonly #bootId: string;
  readonly #lock: number;

  private constructor(directory: string, bootId: string, lock: number) {
    this.#directory = directory;
    this.#bootId = bootId;
    this.#lock = lock;
  }

  /** Errors: IN_USE when another driver has the directory; IO_FAILED. */
  static async open(directory: string, bootId: string): Promise<RecordStore> {
    try {
      for (const name of ['volumes', 'mounts']) {
        await mkdir(join(directory, name), { recursive: true, mode: 0o700 });
      }
      return new RecordStore(directory, bootId, takeLock(directory));
    } catch (cause) {
      if (cause instanceof KeelsonError) throw cause;
      throw new KeelsonError(
        'IO_FAILED',
        `start on ${directory}: expected a directory that can be written to: ${messageOf(cause)}; choose another with --state-dir`,
        { cause },
      );
    }
  }

  mountPathOf(volume: VolumeName): string {
    return join(this.#directory, 'mounts', fileNameOf(volume));
  }

  /** Errors: CORRUPT, naming the file. */
  async load(): Promise<AttachmentRecord[]> {
    const directory = join(this.#directory, 'volumes');
    const names = (await readdir(directory)).filter((name) => name.endsWith(SUFFIX));
    return Promise.all(names.map((name) => this.#read(join(directory, name))));
  }

  /** Durable when it resolves. Errors: NO_SPACE, IO_FAILED; then the old one still counts. */
  async save(record: AttachmentRecord): Promise<void> {
    const path = this.#pathOf(record.volume);
    try {
      await writeDurably(`${path}.new`, encodeRecord(record, this.#bootId));
      await rename(`${path}.new`, path);
      await syncDirectory(dirname(path));
    } catch (cause) {
      const code = isDiskFull(cause) ? 'NO_SPACE' : 'IO_FAILED';
      throw new KeelsonError(code, `store ${path}: ${messageOf(cause)}`, { cause });
    }
  }

  async remove(volume: VolumeName): Promise<void> {
    const path = this.#pathOf(volume);
    await rm(path, { force: true });
    await syncDirectory(dirname(path));
  }

  close(): void {
    closeSync(this.#lock);
  }

  async #read(path: string): Promise<AttachmentRecord> {
    try {
      return decodeRecord(parseJson(await readFile(path, 'utf8'), 'record'), this.#bootId);
    } catch (cause) {
      throw new KeelsonError(
        'CORRUPT',
        `read ${path}: ${messageOf(cause)}; if no container here uses that volume, unmount it, log out ` +
          'from it and delete the file',
        { cause },
      );
    }
  }

  #pathOf(volume: VolumeName): string {
    return join(this.#directory, 'volumes', `${fileNameOf(volume)}${SUFFIX}`);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** DNS labels contain no dot, so no two volumes share a name. */
function fileNameOf({ namespace, name }: VolumeName): string {
  return `${namespace}.${name}`;
}

/** The kernel drops the lock of a process that ends. */
function takeLock(directory: string): number {
  const fd = openSync(join(directory, 'lock'), 'a', 0o600);
  if (tryLock(fd)) return fd;
  closeSync(fd);
  throw new KeelsonError(
    'IN_USE',
    `start on ${directory}: another driver runs on this directory; stop it, or choose another with --state-dir`,
  );
}
