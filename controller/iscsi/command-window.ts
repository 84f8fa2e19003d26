import { BHS } from './bhs.ts';
import { QUEUE_DEPTH } from './limits.ts';

/**
 * The sequence numbers of a session with one connection (RFC 7143 section 4.2.2): which CmdSN is
 * next, how many more the initiator may send, and the StatSN of our responses. All are 32-bit
 * serial numbers (RFC 1982): only differences modulo 2^32 mean anything.
 */
export class CommandWindow {
  #statSN = 0;
  #expCmdSN: number;
  #taken = 0;
  /** How many numbers from `#expCmdSN` on were rejected and may come again. */
  #rejected = 0;

  constructor(expCmdSN: number) {
    this.#expCmdSN = expCmdSN;
  }

  /**
   * Admits a non-immediate request in CmdSN order. Outside the window, or seen before: to be
   * ignored silently. A gap cannot fill: requests travel in CmdSN order on the only connection.
   * One that a reject left is passed over when the initiator goes on behind it.
   */
  admit(cmdSN: number): 'next' | 'ignore' | 'gap' {
    const distance = (cmdSN - this.#expCmdSN) >>> 0;
    if (distance >= QUEUE_DEPTH - this.#taken) return 'ignore';
    if (distance > this.#rejected) return 'gap';
    this.#expCmdSN = (cmdSN + 1) >>> 0;
    this.#rejected = Math.max(0, this.#rejected - distance - 1);
    return 'next';
  }

  /**
   * The request that was just admitted is rejected: its CmdSN does not count as received, and may
   * come again in a request that is right (section 11.17.1).
   */
  reject(): void {
    this.#expCmdSN = (this.#expCmdSN - 1) >>> 0;
    this.#rejected += 1;
  }

  /** The initiator gives up a request that was rejected: whether `cmdSN` was one, and is passed. */
  passOver(cmdSN: number): boolean {
    const distance = (cmdSN - this.#expCmdSN) >>> 0;
    if (distance >= this.#rejected) return false;
    this.#expCmdSN = (cmdSN + 1) >>> 0;
    this.#rejected -= distance + 1;
    return true;
  }

  /**
   * A command holds its place until it is done. The upper end stays where it is meanwhile:
   * ExpCmdSN moved up by one as the room shrank by one, so MaxCmdSN never goes back.
   */
  take(): void {
    this.#taken += 1;
  }

  give(): void {
    this.#taken -= 1;
  }

  /** Numbers a response that carries status. */
  stampStatus(header: Buffer): void {
    this.stamp(header);
    this.#statSN = (this.#statSN + 1) >>> 0;
  }

  /** Numbers a PDU that tells the next StatSN without taking it (R2T, our own NOP-In). */
  stamp(header: Buffer): void {
    header.writeUInt32BE(this.#statSN, BHS.statSN);
    this.stampWindow(header);
  }

  /** Numbers a PDU without StatSN (a Data-In that carries no status). */
  stampWindow(header: Buffer): void {
    header.writeUInt32BE(this.#expCmdSN, BHS.expCmdSN);
    header.writeUInt32BE((this.#expCmdSN + QUEUE_DEPTH - 1 - this.#taken) >>> 0, BHS.maxCmdSN);
  }
}
