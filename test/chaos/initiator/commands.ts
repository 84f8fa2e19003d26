/** The SCSI commands that verified I/O needs, as CDBs (SBC-4 clause 5). */
export interface ScsiCommand {
  readonly cdb: Buffer;
  /** What a write sends. */
  readonly dataOut?: Buffer;
  /** How much a read expects. */
  readonly readBytes?: number;
}

/** Unit of addresses and lengths in a CDB. */
export const SECTOR_BYTES = 512;

export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Byte 1 of a read or a write: force unit access. */
const FUA = 0x08;

/** Both forms do the same, so callers choose either: READ(10) and WRITE(10) end at 2 TiB. */
export type CdbForm = 10 | 16;

export function makeRead(range: ByteRange, form: CdbForm): ScsiCommand {
  const cdb = form === 10 ? makeCdb10(0x28, range) : makeCdb16(0x88, range);
  return { cdb, readBytes: range.lengthBytes };
}

export function makeWrite(
  offsetBytes: number,
  data: Buffer,
  options: { form: CdbForm; isForced: boolean },
): ScsiCommand {
  const range = { offsetBytes, lengthBytes: data.length };
  const cdb = options.form === 10 ? makeCdb10(0x2a, range) : makeCdb16(0x8a, range);
  if (options.isForced) cdb[1] = FUA;
  return { cdb, dataOut: data };
}

/** WRITE ATOMIC(16), which has 16 bits for the number of blocks, behind those of a boundary. */
export function makeAtomicWrite(offsetBytes: number, data: Buffer): ScsiCommand {
  const cdb = makeCdb16(0x9c, { offsetBytes, lengthBytes: 0 });
  cdb.writeUInt16BE(data.length / SECTOR_BYTES, 12);
  return { cdb, dataOut: data };
}

/** SYNCHRONIZE CACHE(10) of the whole unit. */
export function makeFlush(): ScsiCommand {
  return { cdb: makeCdb10(0x35, { offsetBytes: 0, lengthBytes: 0 }) };
}

/**
 * UNMAP of one range. The parameter list has a header of 8 bytes (how many bytes follow its first
 * field, how many of them are descriptors) and a descriptor of 16: LBA, blocks, 4 reserved.
 */
export function makeUnmap({ offsetBytes, lengthBytes }: ByteRange): ScsiCommand {
  const list = Buffer.alloc(24);
  list.writeUInt16BE(list.length - 2, 0);
  list.writeUInt16BE(16, 2);
  list.writeBigUInt64BE(BigInt(offsetBytes / SECTOR_BYTES), 8);
  list.writeUInt32BE(lengthBytes / SECTOR_BYTES, 16);
  const cdb = Buffer.alloc(10);
  cdb[0] = 0x42;
  cdb.writeUInt16BE(list.length, 7);
  return { cdb, dataOut: list };
}

function makeCdb10(opcode: number, { offsetBytes, lengthBytes }: ByteRange): Buffer {
  const cdb = Buffer.alloc(10);
  cdb[0] = opcode;
  cdb.writeUInt32BE(offsetBytes / SECTOR_BYTES, 2);
  cdb.writeUInt16BE(lengthBytes / SECTOR_BYTES, 7);
  return cdb;
}

function makeCdb16(opcode: number, { offsetBytes, lengthBytes }: ByteRange): Buffer {
  const cdb = Buffer.alloc(16);
  cdb[0] = opcode;
  cdb.writeBigUInt64BE(BigInt(offsetBytes / SECTOR_BYTES), 2);
  cdb.writeUInt32BE(lengthBytes / SECTOR_BYTES, 10);
  return cdb;
}
