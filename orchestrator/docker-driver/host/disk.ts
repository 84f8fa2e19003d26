import { constants } from 'node:fs';
import { type FileHandle, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeelsonError, messageOf, systemCodeOf } from '../../../replica/common/errors.ts';
import { type Content, END_BYTES, readContent } from '../core/contents.ts';
import { entriesOf, readFact, type Session } from './sessions.ts';

/** A session's LUN 0 as a block device. */
export interface Disk {
  /** `/dev/sda` */
  readonly path: string;
  /** `8:0` */
  readonly device: string;
  /** Of the SCSI device in sysfs. */
  readonly sysPath: string;
  readonly bytes: number;
  /** VPD page 80h. */
  readonly serial: string;
}

const SECTOR_BYTES = 512;
/** Of VPD page 80h: its code and length, before the serial (SPC-4 clause 7.8.18). */
const VPD_HEADER_BYTES = 4;
/** glibc's makedev; a node of 12 bits major and 20 bits minor, as Linux has. */
const deviceNumber = (rdev: number) => {
  const major = Math.floor(rdev / 256) & 0xfff;
  const minor = (rdev & 0xff) | (Math.floor(rdev / 4096) & ~0xff);
  return `${major}:${minor}`;
};

/** Undefined until the kernel has found the disk and there is a device file for it. */
export async function findDisk({ id }: Session): Promise<Disk | undefined> {
  const session = `/sys/class/iscsi_session/session${id}/device`;
  for (const target of await entriesOf(session)) {
    if (!/^target\d+:\d+:\d+$/.test(target)) continue;
    for (const unit of await entriesOf(join(session, target))) {
      if (!/^\d+:\d+:\d+:0$/.test(unit)) continue;
      const disk = await readDisk(join(session, target, unit));
      if (disk !== undefined) return disk;
    }
  }
  return undefined;
}

export type DiskUse = 'free' | 'busy' | 'gone';

/**
 * Whether something on this host, in whichever mount namespace, has the disk for itself. A disk that
 * has just come, or is just going, has a name already, or still, and cannot be opened.
 */
export async function useOf({ path }: Disk): Promise<DiskUse> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_EXCL);
    return 'free';
  } catch (error) {
    const code = systemCodeOf(error) ?? '';
    if (code === 'EBUSY') return 'busy';
    if (['ENXIO', 'ENODEV', 'ENOENT'].includes(code)) return 'gone';
    throw ioFailed('open', path, error);
  } finally {
    await file?.close();
  }
}

/** Errors: IO_FAILED. */
export async function lookAtContent({ path, bytes }: Disk): Promise<Content> {
  const [first, last] = endsOf(bytes);
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    return readContent(await readWhole(file, first), await readWhole(file, last));
  } catch (error) {
    throw ioFailed('read', path, error);
  } finally {
    await file?.close();
  }
}

/** Zeroes both ends, durably. Errors: IO_FAILED. */
export async function wipe({ path, bytes }: Disk): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r+');
    for (const { start, end } of endsOf(bytes)) {
      await file.write(Buffer.alloc(end - start), 0, end - start, start);
    }
    await file.sync();
  } catch (error) {
    throw ioFailed('write to', path, error);
  } finally {
    await file?.close();
  }
}

/** Has the kernel ask for the size again. */
export async function rescan({ sysPath }: Disk): Promise<void> {
  await writeFile(join(sysPath, 'rescan'), '1');
}

async function readDisk(sysPath: string): Promise<Disk | undefined> {
  const [name] = await entriesOf(join(sysPath, 'block'));
  if (name === undefined) return undefined;
  const path = `/dev/${name}`;
  const device = await readFact(join(sysPath, 'block', name, 'dev'));
  const sectors = Number(await readFact(join(sysPath, 'block', name, 'size')));
  const page = await readFile(join(sysPath, 'vpd_pg80')).catch(() => Buffer.alloc(0));
  const file = await stat(path).catch(() => undefined);
  const isThere = file?.isBlockDevice() === true && deviceNumber(file.rdev) === device;
  if (device === undefined || !isThere || !(sectors > 0) || page.length <= VPD_HEADER_BYTES) {
    return undefined;
  }
  const serial = page.subarray(VPD_HEADER_BYTES).toString('latin1').trim();
  return { path, device, sysPath, serial, bytes: sectors * SECTOR_BYTES };
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function endsOf(bytes: number): [Range, Range] {
  const length = Math.min(END_BYTES, bytes);
  return [
    { start: 0, end: length },
    { start: bytes - length, end: bytes },
  ];
}

async function readWhole(file: FileHandle, { start, end }: Range): Promise<Buffer> {
  const buffer = Buffer.alloc(end - start);
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, start + done);
    if (bytesRead === 0) throw new Error(`the disk ends at byte ${start + done}`);
    done += bytesRead;
  }
  return buffer;
}

function ioFailed(action: string, path: string, cause: unknown): KeelsonError {
  return new KeelsonError('IO_FAILED', `${action} ${path}: ${messageOf(cause)}`, { cause });
}
