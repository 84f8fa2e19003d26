import { KeelsonError } from '../../../replica/common/errors.ts';
import { type Content, END_BYTES } from './contents.ts';

/** What is seen of a volume on this host, before each step anew. */
export interface Facts {
  /** Stale: something is mounted where the volume belongs, but it is not its disk. */
  readonly mount: 'none' | 'ours' | 'stale';
  readonly hasSession: boolean;
  readonly disk: DiskFacts | undefined;
  /** Undefined until it is safe to look: before the reservation another host may be writing. */
  readonly content: Content | undefined;
}

export interface DiskFacts {
  readonly bytes: number;
  /** Its serial is the volume's id. */
  readonly isOurs: boolean;
  /** Something on this host holds it for itself: a mount, in whichever container, or a driver above. */
  readonly isBusy: boolean;
}

/** What the driver itself knows. */
export interface Intent {
  /** As the volume's initiators see it. */
  readonly servedBytes: number;
  /** A file system was begun here, and has not been used since. */
  readonly isFormatting: boolean;
  /** Steps that were taken since the call began. */
  readonly done: ReadonlySet<Step>;
}

export type Step =
  | 'log-in'
  | 'wait-for-disk'
  | 'reserve'
  | 'format'
  | 'check'
  | 'mount'
  | 'empty'
  | 'rescan'
  | 'grow'
  | 'unmount'
  | 'wipe'
  | 'release'
  | 'log-out'
  | 'forget';

/** More steps than this lead nowhere: something undoes them. */
export const MAX_STEPS = 24;

/**
 * The next step towards a mounted volume; undefined when it is mounted. It depends on what is seen and
 * hardly on what was done, so a driver that was killed anywhere goes on where the world stands.
 *
 * Errors: FAILED_PRECONDITION when no step is safe.
 */
export function nextAttachStep(facts: Facts, intent: Intent): Step | undefined {
  const { mount, hasSession, disk, content } = facts;
  const { done, isFormatting } = intent;
  if (mount === 'stale') return 'unmount';
  if (!hasSession) return 'log-in';
  if (disk === undefined) return 'wait-for-disk';
  if (!disk.isOurs) return otherDisk(disk, done);
  if (mount === 'ours') return nextMountedStep(facts, intent);
  if (!done.has('reserve') || content === undefined) return 'reserve';
  const isBegun = isFormatting && !done.has('format');
  if (content.kind === 'blank' || isBegun) {
    if (disk.isBusy) throw busy('make a file system on it');
    return 'format';
  }
  if (content.kind === 'foreign') throw foreign(content.what);
  // Mounted elsewhere on this host: the kernel makes both mounts one, and nobody may check it now.
  const isChecked = done.has('format') || done.has('check');
  return disk.isBusy || isChecked ? 'mount' : 'check';
}

/**
 * The next step towards a host that knows nothing of the volume; undefined when that is reached. A
 * session never ends while anything on the host still uses the disk: that would lose what it wrote.
 *
 * Errors: FAILED_PRECONDITION while the disk is in use.
 */
export function nextDetachStep(
  facts: Facts,
  intent: Intent,
): Exclude<Step, 'log-in' | 'reserve'> | undefined {
  const { mount, hasSession, disk } = facts;
  const { done, isFormatting } = intent;
  if (mount !== 'none') return 'unmount';
  if (disk?.isBusy === true) throw busy('log out from it');
  if (hasSession) {
    if (disk?.isOurs === true) {
      if (isFormatting && !done.has('wipe')) return 'wipe';
      if (!done.has('release')) return 'release';
    }
    return 'log-out';
  }
  return done.has('forget') ? undefined : 'forget';
}

function nextMountedStep({ disk, content }: Facts, intent: Intent): Step | undefined {
  const { servedBytes, isFormatting, done } = intent;
  if (isFormatting) return 'empty';
  const diskBytes = disk?.bytes ?? 0;
  if (diskBytes < servedBytes && !done.has('rescan')) return 'rescan';
  if (content?.kind !== 'file-system' || done.has('grow')) return undefined;
  return content.bytes < diskBytes ? 'grow' : undefined;
}

/** The session is that of a volume which had this name before. */
function otherDisk({ isBusy }: DiskFacts, done: ReadonlySet<Step>): Step {
  if (isBusy) throw busy('log out from it, since it is the disk of a deleted volume');
  if (!done.has('log-out')) return 'log-out';
  throw new KeelsonError(
    'WRONG_IDENTITY',
    'the disk behind its target has the serial of another volume; is the orchestrator the right one?',
  );
}

function busy(aim: string): KeelsonError {
  return new KeelsonError(
    'IN_USE',
    `its disk is in use on this host, so the driver cannot ${aim}; unmount what was mounted by hand ` +
      '(see /proc/*/mountinfo), and keep multipathd away from the disks of Keelson',
  );
}

function foreign(what: string): KeelsonError {
  return new KeelsonError(
    'FAILED_PRECONDITION',
    `it holds ${what}, and the driver makes a file system only where the first and the last ` +
      `${END_BYTES / 1024 ** 2} MiB are zero; nothing was changed. Use another volume, or make ext4 ` +
      'or XFS on it by hand',
  );
}
