import type {
  Claimed,
  Host,
  Look,
  OtherStep,
  Place,
  Wish,
} from '../../../../../orchestrator/docker-driver/attachment.ts';
import type { Facts, Step } from '../../../../../orchestrator/docker-driver/core/attach-plan.ts';
import type {
  Content,
  FileSystem,
} from '../../../../../orchestrator/docker-driver/core/contents.ts';
import { KeelsonError } from '../../../../../replica/common/errors.ts';

/** A volume as several hosts see it. */
export class FakeVolume {
  bytes = 1000;
  /** Blank ends, but for a file system that was half made. */
  content: Content = { kind: 'blank' };
  /** What somebody wrote to its file system. */
  data: string | undefined;
  holder: FakeHost | undefined;
}

/** The driver was killed: nothing of it goes on. */
export class Killed extends Error {}

/**
 * A host with one volume. It watches over what must never happen, and can kill the driver before or
 * after any of its doings, a file system half made included.
 */
export class FakeHost implements Host {
  readonly volume: FakeVolume;
  isLoggedIn = false;
  isScanned = false;
  hasRecord = false;
  knownBytes = 0;
  mounted: 'none' | 'ours' | 'stale' = 'none';
  /** A container, or a user, has the disk beside the driver. */
  isHeldElsewhere = false;
  hasLostAndFound = false;
  isReady = true;
  failOn: Step | undefined;
  readonly steps: Step[] = [];
  /** How many more doings until it is killed; a half is "in the middle of it". */
  killAfter = Number.POSITIVE_INFINITY;

  constructor(volume: FakeVolume) {
    this.volume = volume;
  }

  async requireReady(): Promise<void> {
    if (!this.isReady) throw new KeelsonError('FAILED_PRECONDITION', 'this host has no initiator');
  }

  async observe(_: Place, look: Look): Promise<Facts> {
    const { isLoggedIn, isScanned, mounted, volume } = this;
    const isBusy = mounted === 'ours' || this.isHeldElsewhere;
    const disk = { bytes: this.knownBytes, isOurs: true, isBusy };
    const isSeen = look === 'always' || (look === 'if-mounted' && mounted === 'ours');
    if (isSeen && volume.holder !== this) throw new Error('looked while others may write');
    return {
      mount: mounted,
      hasSession: isLoggedIn,
      disk: isLoggedIn && isScanned ? disk : undefined,
      content: isSeen ? volume.content : undefined,
    };
  }

  async isMountedElsewhere(): Promise<boolean> {
    return this.isHeldElsewhere;
  }

  async logIn(_: Wish): Promise<void> {
    await this.#do('log-in', () => {
      this.hasRecord = true;
      this.isLoggedIn = true;
      this.isScanned = false;
    });
  }

  async reserve(_: Wish): Promise<Claimed> {
    const wasOurs = this.volume.holder === this;
    await this.#do('reserve', () => {
      this.volume.holder = this;
    });
    return { wasOurs };
  }

  async perform(step: OtherStep, _: Place, type: FileSystem): Promise<void> {
    const { volume } = this;
    switch (step) {
      case 'wait-for-disk':
        return this.#do(step, () => {
          this.isScanned = true;
          this.knownBytes = volume.bytes;
        });
      case 'format':
        this.#expect(volume.holder === this, 'made a file system without the reservation');
        this.#expect(volume.data === undefined, 'made a file system over data');
        this.#expect(this.mounted === 'none' && !this.isHeldElsewhere, 'formatted what is in use');
        return this.#do(
          step,
          () => {
            volume.content = { kind: 'file-system', type, bytes: volume.bytes };
            this.hasLostAndFound = true;
          },
          () => {
            volume.content = { kind: 'foreign', what: 'half a file system' };
          },
        );
      case 'check':
        this.#expect(this.mounted === 'none' && !this.isHeldElsewhere, 'checked what is in use');
        return this.#do(step, () => undefined);
      case 'mount':
        this.#expect(volume.holder === this, 'mounted without the reservation');
        this.#expect(volume.content.kind === 'file-system', 'mounted what is no file system');
        return this.#do(step, () => {
          this.mounted = 'ours';
        });
      case 'empty':
        return this.#do(step, () => {
          this.hasLostAndFound = false;
        });
      case 'rescan':
        return this.#do(step, () => {
          this.knownBytes = volume.bytes;
        });
      case 'grow':
        return this.#do(step, () => {
          volume.content = { kind: 'file-system', type, bytes: this.knownBytes };
        });
      case 'unmount':
        return this.#do(step, () => {
          this.mounted = 'none';
        });
      case 'wipe':
        this.#expect(volume.data === undefined, 'wiped data');
        return this.#do(step, () => {
          if (volume.holder === this) volume.content = { kind: 'blank' };
        });
      case 'release':
        return this.#do(step, () => {
          if (volume.holder === this) volume.holder = undefined;
        });
      case 'log-out':
        this.#expect(this.mounted !== 'ours', 'logged out under a mount');
        this.#expect(!this.isHeldElsewhere, 'logged out under somebody');
        return this.#do(step, () => {
          this.isLoggedIn = false;
        });
      case 'forget':
        this.#expect(!this.isLoggedIn, 'forgot a session');
        return this.#do(step, () => {
          this.hasRecord = false;
        });
    }
  }

  /** Nothing of the volume is left here. */
  get isClean(): boolean {
    return (
      !this.isLoggedIn && !this.hasRecord && this.mounted === 'none' && this.volume.holder !== this
    );
  }

  async #do(step: Step, act: () => void, half: () => void = () => undefined): Promise<void> {
    this.steps.push(step);
    if (this.failOn === step) throw new KeelsonError('IO_FAILED', `${step}: it failed`);
    this.killAfter -= 0.5;
    if (this.killAfter < 0) throw new Killed(`before ${step}`);
    this.killAfter -= 0.5;
    if (this.killAfter < 0) {
      half();
      throw new Killed(`in ${step}`);
    }
    act();
    if (this.killAfter < 0.5) {
      this.killAfter = -1;
      throw new Killed(`after ${step}`);
    }
  }

  #expect(isSo: boolean, otherwise: string): void {
    if (!isSo) throw new Error(`${otherwise}: ${this.steps.join(' ')}`);
  }
}
