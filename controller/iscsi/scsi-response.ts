import type { ScsiOutcome } from '../scsi/plan.ts';
import { BHS, makeHeader, makeUntaggedHeader, NO_BYTES } from './bhs.ts';
import {
  DATA_IN_STATUS,
  FINAL,
  RESIDUAL_FLAG,
  RESPONSE,
  type TransportSense,
} from './constants.ts';
import type { TargetEffect } from './step.ts';
import type { Task } from './tasks.ts';

const SCSI_GOOD = 0x00;
const SCSI_CHECK_CONDITION = 0x02;
const SCSI_BUSY = 0x08;
const SCSI_TASK_SET_FULL = 0x28;
const SENSE_KEY_ABORTED_COMMAND = 0x0b;

/**
 * Sends the end of a task: its data, cut to what the initiator expects, and its status. GOOD status
 * of a read travels in the last Data-In PDU, so a small read is one PDU (RFC 7143 section 11.7.3).
 */
export function sendOutcome(task: Task, outcome: ScsiOutcome, effects: TargetEffect[]): void {
  const { dataIn, status, sense } = outcome;
  const bytes = task.isRead ? Math.min(dataIn.length, task.expectedBytes) : 0;
  if (bytes === 0) {
    sendResponse(task, outcome, effects, task.r2tCount);
    return;
  }
  const hasStatus = status === SCSI_GOOD && sense === undefined;
  const pduCount = sendDataIn(task, { outcome, bytes, hasStatus }, effects);
  if (!hasStatus) sendResponse(task, outcome, effects, pduCount);
}

/** Ends a task that the transport gave up, with the sense data of section 11.4.7.2. */
export function sendTransportFailure(
  task: Task,
  reason: TransportSense,
  effects: TargetEffect[],
): void {
  const sense = Buffer.alloc(18);
  sense[0] = 0x70; // current error, fixed format (SPC-4 section 4.5.3)
  sense[2] = SENSE_KEY_ABORTED_COMMAND;
  sense[7] = sense.length - 8;
  sense.writeUInt16BE(reason, 12);
  const outcome = { status: SCSI_CHECK_CONDITION, dataIn: NO_BYTES, sense, transferBytes: 0 };
  sendResponse(task, outcome, effects, task.r2tCount);
}

/**
 * Ends a write for whose data there is no room; its initiator sends it again later. BUSY is the same
 * for one that has nothing else under way (SAM-5 section 5.3.1).
 */
export function sendNoRoom(task: Task, effects: TargetEffect[]): void {
  const status = task.session.tasks.size > 0 ? SCSI_TASK_SET_FULL : SCSI_BUSY;
  const outcome = { status, dataIn: NO_BYTES, sense: undefined, transferBytes: 0 };
  sendResponse(task, outcome, effects, task.r2tCount);
}

/** Returns how many PDUs it took. A sequence (F bit) ends at each MaxBurstLength. */
function sendDataIn(
  task: Task,
  read: { outcome: ScsiOutcome; bytes: number; hasStatus: boolean },
  effects: TargetEffect[],
): number {
  const { session } = task;
  const { dataIn } = read.outcome;
  const { maxRecvDataSegmentLength, maxBurstLength } = session.parameters;
  let burstEnd = maxBurstLength;
  let dataSN = 0;
  let start = 0;
  while (start < read.bytes) {
    const end = Math.min(read.bytes, start + maxRecvDataSegmentLength, burstEnd);
    const isLast = end === read.bytes;
    const header = makeUntaggedHeader(
      RESPONSE.DATA_IN,
      isLast || end === burstEnd ? FINAL : 0,
      task.itt,
      end - start,
    );
    header.writeUInt32BE(dataSN, BHS.dataSN);
    header.writeUInt32BE(start, BHS.bufferOffset);
    if (isLast && read.hasStatus) {
      header[BHS.flags] = FINAL | DATA_IN_STATUS;
      writeResidual(header, task.expectedBytes, read.outcome.transferBytes);
      session.window.stampStatus(header);
    } else {
      session.window.stampWindow(header);
    }
    const isWhole = start === 0 && end === dataIn.length;
    session.send(header, isWhole ? dataIn : dataIn.subarray(start, end), effects);
    if (end === burstEnd) burstEnd += maxBurstLength;
    start = end;
    dataSN += 1;
  }
  return dataSN;
}

function sendResponse(
  task: Task,
  outcome: ScsiOutcome,
  effects: TargetEffect[],
  expDataSN: number,
): void {
  const { session } = task;
  const data = outcome.sense === undefined ? undefined : withLength(outcome.sense);
  const header = makeHeader(RESPONSE.SCSI_RESPONSE, FINAL, task.itt, data?.length ?? 0);
  header[BHS.status] = outcome.status;
  header.writeUInt32BE(expDataSN, BHS.dataSN);
  writeResidual(header, task.expectedBytes, outcome.transferBytes);
  session.window.stampStatus(header);
  session.send(header, data, effects);
}

/** Sections 11.4.1 and 11.4.5: what the command would have moved against what was expected. */
function writeResidual(header: Buffer, expectedBytes: number, transferBytes: number): void {
  if (transferBytes === expectedBytes) return;
  const isOverflow = transferBytes > expectedBytes;
  header[BHS.flags] =
    (header[BHS.flags] as number) | (isOverflow ? RESIDUAL_FLAG.OVERFLOW : RESIDUAL_FLAG.UNDERFLOW);
  const residual = Math.abs(transferBytes - expectedBytes);
  header.writeUInt32BE(Math.min(residual, 0xffffffff), BHS.residualCount);
}

/** Section 11.4.7: two bytes of length, then the sense data. */
function withLength(sense: Buffer): Buffer {
  const data = Buffer.allocUnsafe(2 + sense.length);
  data.writeUInt16BE(sense.length, 0);
  sense.copy(data, 2);
  return data;
}
