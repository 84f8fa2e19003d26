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
  #isClaimed = false;

  constructor(initial: Membership, identity: ControllerIdentity, retryMs: number) {
    this.#record = initial;
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
   * Takes the record as the registry has it. Returns whether it is ours to act on; otherwise a
   * newer controller holds it and the stop is under way, or the claim was sent anew.
   */
  accept(membership: Membership, effects: VolumeEffect[]): boolean {
    this.#pending = undefined;
    const { controller, epoch } = membership;
    if (controller?.instanceId === this.#identity.instanceId) {
      this.#isClaimed = true;
      if (membership.version >= this.#record.version) this.#record = membership;
      return true;
    }
    if (this.#isClaimed) {
      const reason = `epoch ${epoch} belongs to ${controller?.instanceId}`;
      effects.push({ kind: 'stop', code: 'EPOCH_SUPERSEDED', reason });
      return false;
    }
    this.#record = membership;
    this.claim(effects);
    return false;
  }
}
