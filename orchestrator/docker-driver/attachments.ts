import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import { ERROR_CODES, KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { VolumeView } from '../model/view.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import { attach, detach, type Formatting, type Host, type Place, type Wish } from './attachment.ts';
import type { AttachmentRecord } from './core/attachment-record.ts';
import { fileSystemOf } from './core/create-options.ts';
import { addReference, countReferences, dropReference, markAnswered } from './core/references.ts';
import { poll } from './host/poll.ts';
import type { RecordStore } from './record-store.ts';
import { SerialQueue } from './serial-queue.ts';

export interface AttachmentsOptions {
  readonly host: Host;
  readonly store: RecordStore;
  readonly api: ApiClient;
  /** What this host proves where a volume asks for CHAP. */
  readonly chap: ChapCredentials | null;
  readonly log: Log;
}

/** A controller that was killed is back in a second, one that lost its node within 15 s. */
const USABLE_WAIT = { withinMs: 20_000, everyMs: 500 };

/** What is left without a use, such as a disk that could not be let go, is looked after. */
const CLEAN_UP_EVERY_MS = 30_000;

/** `host:port` of a name, an IPv4 or a bracketed IPv6 address: nothing that a program takes for an option. */
const PORTAL = /^[0-9a-zA-Z[][0-9a-zA-Z.:\]-]*:\d{1,5}$/;
const TARGET_NAME = /^iqn\.[0-9a-z.:-]{1,219}$/;

/** All volumes that are attached to this host, each of them worked on by one call at a time. */
export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #records = new Map<string, AttachmentRecord>();
  readonly #queue = new SerialQueue();
  #cleanUp: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier driver left. Errors: CORRUPT. */
  static async open(options: AttachmentsOptions): Promise<Attachments> {
    const attachments = new Attachments(options);
    for (const record of await options.store.load()) {
      attachments.#records.set(addressOf(record.volume), record);
    }
    // Not at once: Docker repeats what an earlier driver did not answer, and that goes on from there.
    attachments.#cleanUpLater(CLEAN_UP_EVERY_MS);
    return attachments;
  }

  /** Waits for what is under way. Everything that is mounted stays. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#cleanUp);
    await this.#queue.settle();
  }

  /** Where it is mounted; empty where it is not. */
  mountPointOf(volume: VolumeName): string {
    return this.usesOf(volume) === 0 ? '' : this.#options.store.mountPathOf(volume);
  }

  usesOf(volume: VolumeName): number {
    return countReferences(this.#records.get(addressOf(volume))?.references ?? []);
  }

  /**
   * Mounts the volume, if it is not, and counts one more use of it.
   *
   * Errors: whatever keeps it from being mounted, in one sentence; then nothing is left of the attempt
   * unless the volume was mounted before.
   */
  mount(volume: VolumeName, id: string): Promise<string> {
    return this.#work('mount', volume, async () => {
      const { host, store, log } = this.#options;
      await host.requireReady();
      const view = await this.#whenUsable(volume);
      const wish = this.#wishFor(volume, view);
      const record = (await this.#take(volume, view.id)) ?? (await this.#begin(volume, wish));
      try {
        await attach(host, wish, this.#formattingOf(volume));
        const references = addReference(record.references, id);
        await this.#change(volume, () => ({ references }));
      } catch (error) {
        if (countReferences(record.references) === 0) await this.#tryDetach(volume);
        throw error;
      }
      log.info('mounted', { volume: addressOf(volume), id, uses: this.usesOf(volume) });
      return store.mountPathOf(volume);
    });
  }

  /**
   * Takes one use back; with the last one the volume leaves this host.
   *
   * Errors: what keeps it here; the use is gone all the same, and the rest is tried again later.
   */
  unmount(volume: VolumeName, id: string): Promise<void> {
    return this.#work('unmount', volume, async () => {
      if (!this.#records.has(addressOf(volume))) return;
      await this.#change(volume, ({ references }) => ({
        references: dropReference(references, id),
      }));
      this.#options.log.info('unmounted', {
        ...{ volume: addressOf(volume), id },
        uses: this.usesOf(volume),
      });
      if (this.usesOf(volume) === 0) await this.#detach(volume);
    });
  }

  /** The call of this ID has been answered: the next one like it is another one. */
  markAnswered(volume: VolumeName, id: string): Promise<void> {
    return this.#work('note', volume, async () => {
      const record = this.#records.get(addressOf(volume));
      if (record === undefined) return;
      const references = markAnswered(record.references, id);
      if (references !== record.references) await this.#save({ ...record, references });
    });
  }

  /**
   * Makes sure that nothing of the volume is left here, and then does `work`, with no mount in between.
   *
   * Errors: IN_USE while containers use it here; what keeps it here.
   */
  leave<T>(volume: VolumeName, work: () => Promise<T>): Promise<T> {
    return this.#work('remove', volume, async () => {
      const uses = this.usesOf(volume);
      if (uses > 0) {
        const by = uses === 1 ? 'one container' : `${uses} containers`;
        throw new KeelsonError('IN_USE', `it is mounted here by ${by}; stop and remove them first`);
      }
      if (this.#records.has(addressOf(volume))) await this.#detach(volume);
      return await work();
    });
  }

  /** Errors: as those of `work`, each with what was to be done to which volume. */
  #work<T>(action: string, volume: VolumeName, work: () => Promise<T>): Promise<T> {
    const address = addressOf(volume);
    return this.#queue.run(address, work).catch((cause: unknown) => {
      if (!(cause instanceof KeelsonError)) throw cause;
      const message = `${action} volume ${address}: ${cause.message}`;
      throw new KeelsonError(cause.code, message, { cause });
    });
  }

  /** A record of this very volume; one of an earlier volume of this name is undone first. */
  async #take(volume: VolumeName, volumeId: string): Promise<AttachmentRecord | undefined> {
    const record = this.#records.get(addressOf(volume));
    if (record === undefined || record.volumeId === volumeId) return record;
    if (countReferences(record.references) === 0) {
      await this.#detach(volume);
      return undefined;
    }
    throw new KeelsonError(
      'WRONG_IDENTITY',
      'it was deleted and made anew while containers here still use the old one; stop those first',
    );
  }

  /** Written down before anything is done, so that whatever is done can be undone. */
  async #begin(volume: VolumeName, wish: Wish): Promise<AttachmentRecord> {
    const { hasSession } = await this.#options.host.observe(wish, false);
    if (hasSession) {
      throw new KeelsonError(
        'IN_USE',
        `this host is logged in to it already, and not by this driver; iscsiadm -m node -T ${wish.targetName} --logout`,
      );
    }
    const { targetName, portal } = wish;
    const record: AttachmentRecord = {
      ...{ volume, volumeId: wish.serial, targetName, portal },
      ...{ isFormatting: false, references: [] },
    };
    await this.#save(record);
    return record;
  }

  async #detach(volume: VolumeName): Promise<void> {
    const record = this.#records.get(addressOf(volume));
    if (record === undefined) return;
    const { host, store, log } = this.#options;
    try {
      await detach(host, this.#placeOf(record), this.#formattingOf(volume));
    } catch (error) {
      this.#cleanUpLater(CLEAN_UP_EVERY_MS);
      throw error;
    }
    this.#records.delete(addressOf(volume));
    await store.remove(volume);
    log.info('left this host', { volume: addressOf(volume) });
  }

  /** Where an error is on its way already, or nobody waits for one. */
  async #tryDetach(volume: VolumeName): Promise<void> {
    try {
      await this.#detach(volume);
    } catch (error) {
      this.#options.log.warn('not undone yet', {
        ...{ volume: addressOf(volume), error: messageOf(error) },
        againAfterMs: CLEAN_UP_EVERY_MS,
      });
    }
  }

  #cleanUpLater(afterMs: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#cleanUp);
    this.#cleanUp = setTimeout(() => {
      for (const { volume } of this.#records.values()) {
        void this.#queue.run(addressOf(volume), async () => {
          if (this.usesOf(volume) === 0) await this.#tryDetach(volume);
        });
      }
    }, afterMs);
  }

  /** Errors: NOT_FOUND; FAILED_PRECONDITION; UNAVAILABLE. */
  async #whenUsable(volume: VolumeName): Promise<VolumeView> {
    const usable = await poll(async () => {
      const view = await this.#options.api.volume(volume);
      if (view.isDeleting) throw new KeelsonError('FAILED_PRECONDITION', 'it is being deleted');
      const isServed = view.controller.sessions !== null && view.health !== 'unavailable';
      return isServed ? view : undefined;
    }, USABLE_WAIT);
    if (usable !== undefined) return usable;
    throw new KeelsonError(
      'UNAVAILABLE',
      `it serves no I/O, and has not begun to within ${USABLE_WAIT.withinMs / 1000} s; keelson volume inspect ` +
        `${addressOf(volume)} says which copies are missing`,
    );
  }

  #wishFor(volume: VolumeName, view: VolumeView): Wish {
    const { targetName, portal, chap } = view;
    if (!PORTAL.test(portal) || !TARGET_NAME.test(targetName)) {
      throw new KeelsonError(
        'PROTOCOL_VIOLATION',
        `expected an iSCSI target and a portal from the orchestrator, got ${JSON.stringify({ targetName, portal }).slice(0, 200)}`,
      );
    }
    if (chap !== 'none' && this.#options.chap === null) {
      throw new KeelsonError(
        'UNAUTHENTICATED',
        'it asks for CHAP; start the driver with a --chap-file that names one of its users',
      );
    }
    return {
      ...{ targetName, portal, serial: view.id, servedBytes: view.servedBytes },
      mountPath: this.#options.store.mountPathOf(volume),
      fileSystem: fileSystemOf(view.labels),
      chap: chap === 'none' ? null : this.#options.chap,
      others: (own) => this.#otherSessions(volume, own),
    };
  }

  async #otherSessions(volume: VolumeName, own: number): Promise<number | null> {
    try {
      const { sessions } = (await this.#options.api.volume(volume)).controller;
      return sessions === null ? null : Math.max(0, sessions - own);
    } catch (error) {
      // The caller asks again, and says that nobody answers if that stays so.
      if (error instanceof KeelsonError && ERROR_CODES[error.code].http >= 500) return null;
      throw error;
    }
  }

  #placeOf({ volume, volumeId, targetName, portal }: AttachmentRecord): Place {
    const mountPath = this.#options.store.mountPathOf(volume);
    return { targetName, portal, serial: volumeId, mountPath };
  }

  #formattingOf(volume: VolumeName): Formatting {
    return {
      get: () => this.#records.get(addressOf(volume))?.isFormatting === true,
      set: (isFormatting) => this.#change(volume, () => ({ isFormatting })),
    };
  }

  async #change(
    volume: VolumeName,
    change: (record: AttachmentRecord) => Partial<AttachmentRecord>,
  ): Promise<void> {
    const record = this.#records.get(addressOf(volume));
    if (record !== undefined) await this.#save({ ...record, ...change(record) });
  }

  /** Stored first: what is not on the disk does not count. */
  async #save(record: AttachmentRecord): Promise<void> {
    await this.#options.store.save(record);
    this.#records.set(addressOf(record.volume), record);
  }
}
