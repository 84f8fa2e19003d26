import { DATA_IN_STATUS, IMMEDIATE, NO_TAG, OPCODE_MASK, RESPONSE } from './constants.ts';

/**
 * The basic header segment of an iSCSI PDU (RFC 7143 section 11.2.1): 48 bytes, big-endian.
 *
 *   offset  size  field
 *        0     1  I bit (0x40) and opcode
 *        1     1  flags
 *        2     2  by opcode: version, response and status
 *        4     1  TotalAHSLength     in 4-byte words
 *        5     3  DataSegmentLength  without padding
 *        8     8  LUN, or ISID (6) and TSIH (2)
 *       16     4  Initiator Task Tag
 *       20     4  Target Transfer Tag, Referenced Task Tag, expected data transfer length, or CID (2)
 *       24     4  CmdSN in requests, StatSN in responses
 *       28     4  ExpStatSN in requests, ExpCmdSN in responses
 *       32     4  CDB (16) in commands, RefCmdSN in task management, MaxCmdSN in responses
 *       36     4  DataSN, R2TSN, ExpDataSN, login status (2), async event (1)
 *       40     4  buffer offset
 *       44     4  residual count, desired data transfer length
 */
export const BHS_BYTES = 48;

export const BHS = {
  opcode: 0,
  flags: 1,
  response: 2,
  status: 3,
  versionMax: 2,
  versionMin: 3,
  totalAhsLength: 4,
  dataSegmentLength: 5,
  lun: 8,
  isid: 8,
  tsih: 14,
  itt: 16,
  ttt: 20,
  referencedTaskTag: 20,
  expectedDataTransferLength: 20,
  cid: 20,
  cmdSN: 24,
  statSN: 24,
  expCmdSN: 28,
  cdb: 32,
  refCmdSN: 32,
  maxCmdSN: 32,
  dataSN: 36,
  loginStatus: 36,
  asyncEvent: 36,
  asyncWaitSeconds: 42,
  bufferOffset: 40,
  time2Wait: 40,
  residualCount: 44,
  desiredDataTransferLength: 44,
} as const;

export const LUN_BYTES = 8;
export const ISID_BYTES = 6;
export const CDB_BYTES = 16;

export const NO_BYTES: Buffer = Buffer.alloc(0);

export function opcodeOf(header: Buffer): number {
  return (header[BHS.opcode] as number) & OPCODE_MASK;
}

export function isImmediate(header: Buffer): boolean {
  return ((header[BHS.opcode] as number) & IMMEDIATE) !== 0;
}

export function flagsOf(header: Buffer): number {
  return header[BHS.flags] as number;
}

export function ittOf(header: Buffer): number {
  return header.readUInt32BE(BHS.itt);
}

export function lunOf(header: Buffer): Buffer {
  return header.subarray(BHS.lun, BHS.lun + LUN_BYTES);
}

/** Cut from zeroed slabs: a buffer of its own for every header costs more than all else about it. */
function zeroedHeader(): Buffer {
  if (slabUsed === SLAB_BYTES) {
    slab = Buffer.alloc(SLAB_BYTES);
    slabUsed = 0;
  }
  slabUsed += BHS_BYTES;
  return slab.subarray(slabUsed - BHS_BYTES, slabUsed);
}

const SLAB_BYTES = 128 * BHS_BYTES;
let slab = Buffer.alloc(SLAB_BYTES);
let slabUsed = 0;

/** A response header, zero but for what is given; sequence numbers are stamped when it is sent. */
export function makeHeader(opcode: number, flags: number, itt: number, dataBytes: number): Buffer {
  const header = zeroedHeader();
  header[BHS.opcode] = opcode;
  header[BHS.flags] = flags;
  header.writeUIntBE(dataBytes, BHS.dataSegmentLength, 3);
  header.writeUInt32BE(itt, BHS.itt);
  return header;
}

/** For responses whose bytes 20–23 are a target transfer tag that is absent. */
export function makeUntaggedHeader(
  opcode: number,
  flags: number,
  itt: number,
  dataBytes: number,
): Buffer {
  const header = makeHeader(opcode, flags, itt, dataBytes);
  header.writeUInt32BE(NO_TAG, BHS.ttt);
  return header;
}

/** Bytes that follow the header: additional header segments, then data padded to 4 bytes. */
export function ahsBytesOf(header: Buffer, at: number): number {
  return (header[at + BHS.totalAhsLength] as number) * 4;
}

export function dataBytesOf(header: Buffer, at: number): number {
  return header.readUIntBE(at + BHS.dataSegmentLength, 3);
}

export function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** Whether this is the one Data-In PDU of its command: with the status, from offset 0. */
export function isWholeRead(header: Buffer): boolean {
  return (
    header[BHS.opcode] === RESPONSE.DATA_IN &&
    (flagsOf(header) & DATA_IN_STATUS) !== 0 &&
    header.readUInt32BE(BHS.bufferOffset) === 0
  );
}
