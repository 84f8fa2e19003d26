import { assert } from '../../replica/common/assert.ts';
import type { Session } from './session.ts';

/** Data that is on its way in one direction, of all sessions; it is bounded, and so for each peer. */
export class DataRoom {
  readonly limits: { readonly bytes: number; readonly bytesPerAddress: number };
  readonly #byAddress = new Map<string, AddressRoom>();
  /** Sessions with commands that wait for room, the first to wait first. */
  readonly waiting = new Set<Session>();
  heldBytes = 0;

  constructor(limits: { bytes: number; bytesPerAddress: number }) {
    this.limits = limits;
  }

  /** The room of one machine; to be given back with `leave`. */
  enter(address: string): AddressRoom {
    let room = this.#byAddress.get(address);
    if (room === undefined) {
      room = new AddressRoom(this, address);
      this.#byAddress.set(address, room);
    }
    room.userCount += 1;
    return room;
  }

  /** One session fewer. What its commands hold is given back when the last is done. */
  leave(room: AddressRoom): void {
    room.userCount -= 1;
    this.forgetIfUnused(room);
  }

  forgetIfUnused(room: AddressRoom): void {
    if (room.userCount > 0 || room.heldBytes > 0) return;
    if (this.#byAddress.get(room.address) === room) this.#byAddress.delete(room.address);
  }
}

/** The part of one peer address: a machine that takes much leaves room for another. */
export class AddressRoom {
  readonly whole: DataRoom;
  readonly address: string;
  userCount = 0;
  heldBytes = 0;

  constructor(whole: DataRoom, address: string) {
    this.whole = whole;
    this.address = address;
  }

  /** Takes room for so many bytes; false when there is none. */
  take(bytes: number): boolean {
    const { limits } = this.whole;
    if (this.heldBytes + bytes > limits.bytesPerAddress) return false;
    if (this.whole.heldBytes + bytes > limits.bytes) return false;
    this.heldBytes += bytes;
    this.whole.heldBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.heldBytes -= bytes;
    this.whole.heldBytes -= bytes;
    assert(this.heldBytes >= 0, 'no more room is given back than was taken', { bytes });
    if (this.userCount === 0) this.whole.forgetIfUnused(this);
  }
}
