import { setTimeout } from 'node:timers/promises';
import { unreachable } from '../../../replica/common/assert.ts';
import type { Clock } from '../../../replica/common/clock.ts';
import { KeelsonError } from '../../../replica/common/errors.ts';
import type { Claimed, Host, Look, OtherStep, Place, Wish } from '../attachment.ts';
import type { Facts } from '../core/attach-plan.ts';
import type { FileSystem } from '../core/contents.ts';
import { nodeSettings } from '../core/node-record.ts';
import { type Disk, findDisk, lookAtContent, rescan, useOf, wipe } from './disk.ts';
import {
  checkFileSystem,
  emptyFileSystem,
  findMounted,
  growFileSystem,
  makeFileSystem,
  mountFileSystem,
  removeMountPoint,
  unmountFileSystem,
} from './file-system.ts';
import { isMountedBeside } from './mount-namespaces.ts';
import { poll } from './poll.ts';
import {
  keyOf,
  releaseReservation,
  reservationDoor,
  takeReservation,
  whoHolds,
} from './reservation.ts';
import {
  findSessions,
  forgetRecord,
  logIn,
  logOut,
  readInitiatorName,
  requireInitiator,
} from './sessions.ts';

/** The kernel scans a new session within milliseconds; a portal that is away may be back soon. */
const DISK_WAIT = { withinMs: 20_000, everyMs: 50 };
/** The mounts of a container that has just ended go with its last process. */
const LET_GO_WAIT = { withinMs: 10_000, everyMs: 100 };

/** A Linux host with open-iscsi, sg3-utils and the tools of the file systems. */
export class LinuxHost implements Host {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async requireReady(): Promise<void> {
    await requireInitiator();
    await readInitiatorName();
  }

  async observe(place: Place, look: Look): Promise<Facts> {
    const [session] = await findSessions(place.targetName);
    const disk = session === undefined ? undefined : await findDisk(session);
    const use = disk === undefined ? 'gone' : await useOf(disk);
    const mounted = await findMounted(place.mountPath);
    const mount =
      mounted === undefined ? 'none' : mounted.device === disk?.device ? 'ours' : 'stale';
    const facts = { mount, hasSession: session !== undefined } as const;
    // A disk whose portal is away cannot be opened, but a container may have it mounted all the same.
    const isBusy = use === 'busy' || (use === 'gone' && (await this.#isMountedBeside(disk, place)));
    if (disk === undefined || (use === 'gone' && !isBusy)) {
      return { ...facts, disk: undefined, content: undefined };
    }
    const isOurs = disk.serial === place.serial;
    const isWanted = look === 'always' || (look === 'if-mounted' && mount === 'ours');
    return {
      ...facts,
      disk: { bytes: disk.bytes, isOurs, isBusy },
      content: isOurs && isWanted && use !== 'gone' ? await lookAtContent(disk) : undefined,
    };
  }

  async isMountedElsewhere(place: Place): Promise<boolean> {
    return await this.#isMountedBeside(await this.#findDisk(place.targetName), place);
  }

  async logIn(wish: Wish): Promise<void> {
    await logIn(wish, nodeSettings(wish.chap));
  }

  async reserve({ targetName, others }: Wish): Promise<Claimed> {
    const own = (await findSessions(targetName)).length;
    return await takeReservation(reservationDoor(await this.#disk(targetName)), {
      key: keyOf(await readInitiatorName()),
      others: () => others(own),
      clock: this.#clock,
      pause: (ms) => setTimeout(ms),
    });
  }

  async perform(step: OtherStep, place: Place, type: FileSystem): Promise<void> {
    const { targetName, mountPath } = place;
    switch (step) {
      case 'wait-for-disk':
        return this.#waitForDisk(place);
      case 'format':
        return makeFileSystem(await this.#disk(targetName), type);
      case 'check':
        return checkFileSystem(await this.#disk(targetName), type);
      case 'mount':
        return mountFileSystem(await this.#disk(targetName), type, mountPath);
      case 'empty':
        return emptyFileSystem(mountPath);
      case 'rescan':
        return rescan(await this.#disk(targetName));
      case 'grow':
        return growFileSystem(await this.#disk(targetName), type, mountPath);
      case 'unmount':
        return this.#unmount(place);
      case 'wipe':
        return this.#wipe(targetName);
      case 'release':
        return this.#release(targetName);
      case 'log-out':
        return logOut(targetName);
      case 'forget':
        await forgetRecord(place);
        return removeMountPoint(mountPath);
      default:
        return unreachable(step, 'step');
    }
  }

  async #waitForDisk({ targetName, portal }: Place): Promise<void> {
    const isThere = await poll(async () => {
      const disk = await this.#findDisk(targetName);
      return disk !== undefined && (await useOf(disk)) !== 'gone' ? true : undefined;
    }, DISK_WAIT);
    if (isThere) return;
    throw new KeelsonError(
      'UNAVAILABLE',
      `this host is logged in at ${portal}, but within ${DISK_WAIT.withinMs / 1000} s there was no disk ` +
        'with a device file in /dev; the kernel log says why',
    );
  }

  async #unmount({ targetName, mountPath }: Place): Promise<void> {
    await unmountFileSystem(mountPath);
    const disk = await this.#findDisk(targetName);
    if (disk === undefined) return;
    await poll(async () => ((await useOf(disk)) === 'busy' ? undefined : true), LET_GO_WAIT);
  }

  /** Only under the reservation under which the file system was begun. */
  async #wipe(targetName: string): Promise<void> {
    const disk = await this.#disk(targetName);
    const key = keyOf(await readInitiatorName());
    if ((await whoHolds(reservationDoor(disk), key)).kind === 'us') await wipe(disk);
  }

  /** A portal that is away keeps the reservation: this host takes it up again, others take it over. */
  async #release(targetName: string): Promise<void> {
    const [session] = await findSessions(targetName);
    if (session?.isUp !== true) return;
    await releaseReservation(reservationDoor(await this.#disk(targetName)));
  }

  async #isMountedBeside(disk: Disk | undefined, { mountPath }: Place): Promise<boolean> {
    return disk !== undefined && (await isMountedBeside(disk.device, mountPath));
  }

  async #findDisk(targetName: string): Promise<Disk | undefined> {
    const [session] = await findSessions(targetName);
    return session === undefined ? undefined : await findDisk(session);
  }

  async #disk(targetName: string): Promise<Disk> {
    const disk = await this.#findDisk(targetName);
    if (disk !== undefined) return disk;
    throw new KeelsonError(
      'UNAVAILABLE',
      `its disk went away while it was worked on; somebody logged out from ${targetName}`,
    );
  }
}
