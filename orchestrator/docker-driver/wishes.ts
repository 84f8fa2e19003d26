import type { ChapCredentials } from '../../controller/protocol/chap-credentials.ts';
import { ERROR_CODES, KeelsonError } from '../../replica/common/errors.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { VolumeView } from '../model/view.ts';
import { addressOf, type VolumeName } from '../model/volume.ts';
import type { Wish } from './attachment.ts';
import { fileSystemOf } from './core/create-options.ts';
import { poll } from './host/poll.ts';

export interface WishesOptions {
  readonly api: ApiClient;
  /** What this host proves where a volume asks for CHAP. */
  readonly chap: ChapCredentials | null;
  mountPathOf(volume: VolumeName): string;
}

/** A controller that was killed is back in a second, one that lost its node within 15 s. */
const USABLE_WAIT = { withinMs: 20_000, everyMs: 500 };

/** `host:port` of a name, an IPv4 or a bracketed IPv6 address: nothing that a program takes for an option. */
const PORTAL = /^[0-9a-zA-Z[][0-9a-zA-Z.:\]-]*:\d{1,5}$/;
const TARGET_NAME = /^iqn\.[0-9a-z.:-]{1,219}$/;

/** What the orchestrator says of volumes, as the attachment of one to this host. */
export class Wishes {
  readonly #options: WishesOptions;

  constructor(options: WishesOptions) {
    this.#options = options;
  }

  /**
   * Waits until the volume can be used.
   *
   * Errors: NOT_FOUND; FAILED_PRECONDITION; UNAVAILABLE; UNAUTHENTICATED when it asks for CHAP and this
   * driver has none; PROTOCOL_VIOLATION.
   */
  async of(volume: VolumeName): Promise<Wish> {
    const view = await this.#whenUsable(volume);
    const { targetName, portal } = view;
    if (!PORTAL.test(portal) || !TARGET_NAME.test(targetName)) {
      const got = JSON.stringify({ targetName, portal }).slice(0, 200);
      throw new KeelsonError(
        'PROTOCOL_VIOLATION',
        `expected an iSCSI target and a portal from the orchestrator, got ${got}`,
      );
    }
    const { chap, mountPathOf } = this.#options;
    if (view.chap !== 'none' && chap === null) {
      throw new KeelsonError(
        'UNAUTHENTICATED',
        'it asks for CHAP; start the driver with a --chap-file that names one of its users',
      );
    }
    return {
      ...{ targetName, portal, serial: view.id, servedBytes: view.servedBytes },
      mountPath: mountPathOf(volume),
      fileSystem: fileSystemOf(view.labels),
      chap: view.chap === 'none' ? null : chap,
      others: (own) => this.#otherSessions(volume, own),
    };
  }

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
      `it serves no I/O, and has not begun to within ${USABLE_WAIT.withinMs / 1000} s; ` +
        `keelson volume inspect ${addressOf(volume)} says which copies are missing`,
    );
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
}
