import type { Clock } from '../../replica/common/clock.ts';
import { KeelsonError, messageOf } from '../../replica/common/errors.ts';
import type { Log } from '../../replica/common/log.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import { attach, detach, type Formatting, type Host, type Place, type Wish } from './attachment.ts';
import type { AttachmentRecord } from './core/attachment-record.ts';
import { addReference, countReferences, dropReference, markAnswered } from './core/references.ts';
import type { RecordStore } from './record-store.ts';
import { SerialQueue } from './serial-queue.ts';
import type { Wishes } from './wishes.ts';

export interface AttachmentsOptions {
  readonly host: Host;
  readonly store: RecordStore;
  readonly wishes: Wishes;
  readonly clock: Clock;
  readonly log: Log;
  /** When what could not be undone is tried again. */
  readonly retryMs: number;
  /**
   * How long a use may go without a container that has the volume mounted. An engine that is killed
   * never takes back the uses of its containers; one that starts a container mounts first, and may
   * copy what the image has before the container runs.
   */
  readonly abandonedMs: number;
}

/** All volumes that are attached to this host, each of them worked on by one call at a time. */
export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #records = new Map<string, AttachmentRecord>();
  /** By volume; of those that an earlier driver mounted, when this one began. */
  readonly #lastMountMs = new Map<string, number>();
  readonly #openedMs: number;
  readonly #queue = new SerialQueue();
  #look: { readonly dueMs: number; readonly timer: NodeJS.Timeout } | undefined;
  #isClosed = false;

  private constructor(options: AttachmentsOptions) {
    this.#options = options;
    this.#openedMs = options.clock.nowMs();
  }

  /** Takes up what an earlier driver left. Errors: CORRUPT. */
  static async open(options: AttachmentsOptions): Promise<Attachments> {
    const attachments = new Attachments(options);
    for (const record of await options.store.load()) {
      attachments.#records.set(addressOf(record.volume), record);
    }
    // Not at once: what an earlier driver did not answer may be asked again, and goes on from there.
    attachments.#lookAfter(options.retryMs);
    return attachments;
  }

  /** Waits for what is under way. Everything that is mounted stays. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#look?.timer);
    await this.#queue.settle();
  }

  /** Where it is mounted; empty where it is not. */
  mountPointOf(volume: VolumeName): string {
    return this.usesOf(volume) === 0 ? '' : this.#options.store.mountPathOf(volume);
  }

  usesOf(volume: VolumeName): number {
    return countReferences(this.#records.get(addressOf(volume))?.references ?? []);
  }

  /** An engine has been started, and may have forgotten what it used before. */
  noteEngineStart(): void {
    this.#lookAfter(this.#options.abandonedMs);
  }

  /**
   * Mounts the volume, if it is not, and counts one more use of it.
   *
   * Errors: whatever keeps it from being mounted, in one sentence; then nothing is left of the attempt
   * unless the volume was mounted before.
   */
  mount(volume: VolumeName, id: string): Promise<string> {
    return this.#work('mount', volume, async () => {
      const { host, store, wishes, clock, log } = this.#options;
      await host.requireReady();
      const wish = await wishes.of(volume);
      const record = (await this.#take(volume, wish)) ?? (await this.#begin(volume, wish));
      try {
        await attach(host, wish, this.#formattingOf(volume));
        const references = addReference(record.references, id);
        await this.#change(volume, () => ({ references }));
      } catch (error) {
        if (countReferences(record.references) === 0) await this.#tryDetach(volume);
        throw error;
      }
      this.#lastMountMs.set(addressOf(volume), clock.nowMs());
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
      const uses = this.usesOf(volume);
      this.#options.log.info('unmounted', { volume: addressOf(volume), id, uses });
      if (uses === 0) await this.#detach(volume);
      else this.#lookAfter(this.#options.abandonedMs);
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
   * Docker asks for it only when no container of its own has the volume any more.
   *
   * Errors: IN_USE while containers have it mounted; what keeps it here.
   */
  leave<T>(volume: VolumeName, work: () => Promise<T>): Promise<T> {
    return this.#work('remove', volume, async () => {
      const record = this.#records.get(addressOf(volume));
      if (record !== undefined) {
        if (await this.#options.host.isMountedElsewhere(this.#placeOf(record))) {
          throw new KeelsonError(
            'IN_USE',
            'containers on this host have it mounted; stop and remove them first',
          );
        }
        await this.#detach(volume);
      }
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

  /** The record of this very volume at this portal; what another one left is undone first. */
  async #take(volume: VolumeName, wish: Wish): Promise<AttachmentRecord | undefined> {
    const record = this.#records.get(addressOf(volume));
    if (record === undefined) return undefined;
    const isVolume = record.volumeId === wish.serial;
    const isSame = isVolume && record.portal === wish.portal;
    if (countReferences(record.references) === 0) {
      // A mount that nobody uses may have stopped with errors while its portal was away.
      const { mount } = await this.#options.host.observe(this.#placeOf(record), 'never');
      if (isSame && mount === 'none') return record;
      await this.#detach(volume);
      return undefined;
    }
    if (isSame) return record;
    throw new KeelsonError(
      'WRONG_IDENTITY',
      isVolume
        ? `its portal has moved from ${record.portal} to ${wish.portal}, and containers here use the old one; stop those first`
        : 'it was deleted and made anew while containers here still use the old one; stop those first',
    );
  }

  /** Written down before anything is done, so that whatever is done can be undone. */
  async #begin(volume: VolumeName, wish: Wish): Promise<AttachmentRecord> {
    const { hasSession } = await this.#options.host.observe(wish, 'never');
    if (hasSession) {
      throw new KeelsonError(
        'IN_USE',
        'this host is logged in to it already, and not by this driver; run iscsiadm -m node ' +
          `-T ${wish.targetName} --logout if nothing uses it`,
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
    const { host, store, log, retryMs } = this.#options;
    try {
      await detach(host, this.#placeOf(record), this.#formattingOf(volume));
    } catch (error) {
      this.#lookAfter(retryMs);
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
      const { log, retryMs } = this.#options;
      const fields = { volume: addressOf(volume), error: messageOf(error) };
      log.warn('not undone yet', { ...fields, againAfterMs: retryMs });
    }
  }

  /** Looks after all volumes then, or earlier if that was planned. */
  #lookAfter(delayMs: number): void {
    const dueMs = this.#options.clock.nowMs() + delayMs;
    if (this.#isClosed || (this.#look !== undefined && this.#look.dueMs <= dueMs)) return;
    clearTimeout(this.#look?.timer);
    const timer = setTimeout(() => {
      this.#look = undefined;
      for (const { volume } of this.#records.values()) {
        this.#work('look after', volume, () => this.#lookAt(volume)).catch((error: unknown) => {
          this.#options.log.error('a look failed', { error: messageOf(error) });
        });
      }
    }, delayMs);
    this.#look = { dueMs, timer };
  }

  /** Undoes what nobody uses, and what nobody has used for long enough. */
  async #lookAt(volume: VolumeName): Promise<void> {
    const record = this.#records.get(addressOf(volume));
    if (record === undefined) return;
    if (this.usesOf(volume) > 0) {
      const { host, clock, log, abandonedMs } = this.#options;
      const sinceMs = this.#lastMountMs.get(addressOf(volume)) ?? this.#openedMs;
      const leftMs = abandonedMs - (clock.nowMs() - sinceMs);
      if (leftMs > 0) return this.#lookAfter(leftMs);
      if (await host.isMountedElsewhere(this.#placeOf(record))) return;
      log.warn('no container has it mounted, its uses are dropped', {
        ...{ volume: addressOf(volume), uses: this.usesOf(volume) },
      });
      await this.#change(volume, () => ({ references: [] }));
    }
    await this.#tryDetach(volume);
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
