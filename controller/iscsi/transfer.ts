import { MAX_IO_BYTES } from '../../replica/common/limits.ts';
import { BHS, flagsOf } from './bhs.ts';
import { FINAL, NO_TAG, TRANSPORT_SENSE, type TransportSense } from './constants.ts';
import type { Pdu } from './step.ts';

/** One answer to an R2T, under way. Half-open range of the write's data. */
export interface Burst {
  readonly ttt: number;
  readonly r2tSN: number;
  readonly start: number;
  readonly end: number;
}

interface OpenBurst extends Burst {
  at: number;
  dataSN: number;
}

/**
 * Gathers the data of one write (RFC 7143 sections 4.2.5.2 and 11.7): first what comes unasked,
 * with the command and behind it up to FirstBurstLength, then what R2Ts ask for. PDUs are in order
 * within a burst (DataPDUInOrder=Yes), and DataSN counts from 0 in each.
 *
 * A command that announces more than `MAX_IO_BYTES` is gathered up to there only: the device
 * server refuses its CDB by the same limit.
 */
export class WriteTransfer {
  readonly data: Buffer;
  readonly #unsolicitedEnd: number;
  readonly #bursts: OpenBurst[] = [];
  #received = 0;
  #isUnsolicitedOpen: boolean;
  #unsolicitedDataSN = 0;
  #solicitedTo = 0;
  #r2tCount = 0;
  #isDamaged = false;

  /** @param firstBurstLength how much may come unasked; 0 when Data-Out PDUs may not */
  constructor(expectedBytes: number, immediateData: Buffer, firstBurstLength: number) {
    // Not zeroed: all of it is received before anyone reads it.
    this.data = Buffer.allocUnsafe(Math.min(expectedBytes, MAX_IO_BYTES));
    this.#unsolicitedEnd = Math.min(this.data.length, firstBurstLength);
    this.#received = immediateData.copy(this.data);
    this.#isUnsolicitedOpen = this.#received < this.#unsolicitedEnd;
    this.#solicitedTo = this.#received;
  }

  get isComplete(): boolean {
    return this.#received === this.data.length;
  }

  /** Some of the data was not what its digest said. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** Bytes that R2Ts have not asked for yet. */
  get unaskedBytes(): number {
    return this.data.length - this.#solicitedTo;
  }

  get r2tCount(): number {
    return this.#r2tCount;
  }

  /** Takes one Data-Out PDU. Returns why it does not belong here, as sense for the initiator. */
  take(pdu: Pdu): TransportSense | undefined {
    this.#isDamaged ||= pdu.isDamaged === true;
    const ttt = pdu.header.readUInt32BE(BHS.ttt);
    return ttt === NO_TAG ? this.#takeUnsolicited(pdu) : this.#takeSolicited(pdu, ttt);
  }

  /** Opens the next burst; only when `canAsk`. */
  ask(ttt: number, maxBurstLength: number): Burst {
    const start = this.#solicitedTo;
    const end = Math.min(this.data.length, start + maxBurstLength);
    const burst: OpenBurst = { ttt, r2tSN: this.#r2tCount, start, end, at: start, dataSN: 0 };
    this.#bursts.push(burst);
    this.#solicitedTo = end;
    this.#r2tCount += 1;
    return burst;
  }

  canAsk(maxOutstandingR2T: number): boolean {
    return (
      !this.#isUnsolicitedOpen && this.unaskedBytes > 0 && this.#bursts.length < maxOutstandingR2T
    );
  }

  #takeUnsolicited(pdu: Pdu): TransportSense | undefined {
    const end = this.#received + pdu.data.length;
    if (!this.#isUnsolicitedOpen || end > this.#unsolicitedEnd) {
      return TRANSPORT_SENSE.UNEXPECTED_UNSOLICITED_DATA;
    }
    if (!isInOrder(pdu, this.#received, this.#unsolicitedDataSN)) {
      return TRANSPORT_SENSE.INCORRECT_AMOUNT_OF_DATA;
    }
    pdu.data.copy(this.data, this.#received);
    this.#received = end;
    this.#solicitedTo = end;
    this.#unsolicitedDataSN += 1;
    const isFinal = (flagsOf(pdu.header) & FINAL) !== 0;
    this.#isUnsolicitedOpen = !isFinal && end < this.#unsolicitedEnd;
    return undefined;
  }

  #takeSolicited(pdu: Pdu, ttt: number): TransportSense | undefined {
    const burst = this.#bursts.find((candidate) => candidate.ttt === ttt);
    if (burst === undefined || !isInOrder(pdu, burst.at, burst.dataSN)) {
      return TRANSPORT_SENSE.INCORRECT_AMOUNT_OF_DATA;
    }
    const end = burst.at + pdu.data.length;
    const isFinal = (flagsOf(pdu.header) & FINAL) !== 0;
    if (end > burst.end || (isFinal && end < burst.end)) {
      return TRANSPORT_SENSE.INCORRECT_AMOUNT_OF_DATA;
    }
    pdu.data.copy(this.data, burst.at);
    this.#received += pdu.data.length;
    burst.at = end;
    burst.dataSN += 1;
    if (end === burst.end) this.#bursts.splice(this.#bursts.indexOf(burst), 1);
    return undefined;
  }
}

function isInOrder(pdu: Pdu, offset: number, dataSN: number): boolean {
  return (
    pdu.header.readUInt32BE(BHS.bufferOffset) === offset &&
    pdu.header.readUInt32BE(BHS.dataSN) === dataSN
  );
}
