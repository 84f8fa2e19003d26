import type { ControllerIdentity, Membership } from '../protocol/membership.ts';
import type { VolumeEffect } from './step.ts';

/**
 * This controller's view of the membership record, and the one change of it that may be under way.
 * While its answer is awaited, both the record as known and the record as sent count (I1).
 */
export class RecordKeeper {
  readonly #identity: ControllerIdentity;
  readonly #retryMs: number;
  #record: Membership;
  #pending: Membership | undefined;
  /** Newest record that came while a change was under way. */
  #seen: Membership | undefined;
  #isClaimed = false;
  /** What the record is to say before anything is built on what the copies may have lost (I13). */
  #losses = 0;
  readonly #lossesAtStart: number;

  constructor(initial: Membership, identity: ControllerIdentity, retryMs: number) {
    this.#record = initial;
    this.#lossesAtStart = initial.losses;
    this.#identity = identity;
    this.#retryMs = retryMs;
  }

  get record(): Membership {
    return this.#record;
  }

  get isChanging(): boolean {
    return this.#pending !== undefined;
  }

  /** Whether the registry has this controller as the holder of the epoch. */
  get isClaimed(): boolean {
    return this.#isClaimed;
  }

  /** How many power losses the record has to admit. */
  get losses(): number {
    return Math.max(this.#losses, this.#record.losses);
  }

  /** What no flush had covered may be gone. */
  admitLoss(): void {
    this.#losses = this.#record.losses + 1;
  }

  /** Whether another controller had to admit a loss since this one began to take requests. */
  get hasMissedLoss(): boolean {
    return this.#record.losses > this.#lossesAtStart;
  }

  /** Takes epoch + 1 and generation + 1 before anything else (I3). */
  claim(effects: VolumeEffect[]): void {
    const { version, epoch, generation } = this.#record;
    const claim: Membership = {
      ...this.#record,
      version: version + 1,
      epoch: epoch + 1,
      generation: generation + 1,
      controller: this.#identity,
    };
    this.change(claim, effects);
  }

  change(next: Membership, effects: VolumeEffect[], afterMs = 0): void {
    this.#pending = next;
    effects.push({ kind: 'change-record', membership: next, afterMs });
  }

  /**
   * The answer to a change was lost. Sending the very same change again settles it: either it is
   * stored now, or the conflict brings the record as it is; and the first one, should it still be
   * on its way, can no longer be stored after this one was answered.
   */
  retry(effects: VolumeEffect[]): void {
    if (this.#pending !== undefined) this.change(this.#pending, effects, this.#retryMs);
  }

  /**
   * Takes the answer of the registry to a change. Returns the record when it is ours to act on;
   * otherwise a newer controller holds it and the stop is under way, or the claim was sent anew.
   */
  accept(answer: Membership, effects: VolumeEffect[]): Membership | undefined {
    this.#pending = undefined;
    const seen = this.#seen;
    const membership = seen !== undefined && seen.version > answer.version ? seen : answer;
    const { controller, epoch } = membership;
    if (controller?.instanceId === this.#identity.instanceId) {
      this.#isClaimed = true;
      if (membership.version >= this.#record.version) this.#record = membership;
      return this.#record;
    }
    if (this.#isClaimed) {
      const reason = `epoch ${epoch} belongs to ${controller?.instanceId}`;
      effects.push({ kind: 'stop', code: 'EPOCH_SUPERSEDED', reason });
      return undefined;
    }
    this.#record = membership;
    this.claim(effects);
    return undefined;
  }

  /**
   * Takes a record that was not the answer to a change, because the orchestrator changed it. While a
   * change is under way it only waits: whether that one happened, its own answer must tell (I1).
   */
  offer(membership: Membership, effects: VolumeEffect[]): Membership | undefined {
    if (this.#pending !== undefined) {
      this.#seen = membership;
      return undefined;
    }
    return membership.version > this.#record.version
      ? this.accept(membership, effects)
      : this.#record;
  }
}
