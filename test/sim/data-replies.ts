import { REGION_BYTES } from '../../replica/common/limits.ts';
import { FLAG, OPCODE, STATUS } from '../../replica/protocol/constants.ts';
import { type Frame, NO_PAYLOAD } from '../../replica/protocol/frame.ts';
import { DIGEST_BYTES, STAMP_BYTES } from '../../replica/protocol/stamps.ts';
import { blocksOf, encodeBlocks, writeDigest, ZERO } from './content.ts';
import type { DataFile } from './data-file.ts';

/** What the answer to a request begins with. */
export const NO_FIELDS = {
  ...{ flags: 0, status: STATUS.OK, stableSeq: 0, offset: 0, length: 0, generation: 0 },
  payload: NO_PAYLOAD,
};

/** With the newest stamp of what was read. */
export function makeReadReply(data: DataFile, frame: Frame, generation: number): Frame {
  const { seq, offset, length } = frame;
  const fields = { ...NO_FIELDS, opcode: OPCODE.READ_REPLY, seq, offset, length, generation };
  const blocks = data.readRange(blocksOf(frame));
  if (blocks.every((block) => block === ZERO)) return { ...fields, flags: FLAG.ZERO };
  return { ...fields, flags: FLAG.LZ4, payload: encodeBlocks(blocks) };
}

export function makeMapReply(data: DataFile, { seq, offset, length }: Frame): Frame {
  const blocks = data.readRange(blocksOf({ offset, length }));
  const payload = Buffer.from(blocks.map((block) => (block === ZERO ? 0 : 1)));
  return { ...NO_FIELDS, opcode: OPCODE.MAP_REPLY, seq, offset, length, payload };
}

export function makeHashesReply(data: DataFile, frame: Frame, stamps: readonly number[]): Frame {
  const { seq, offset, length } = frame;
  const entryBytes = STAMP_BYTES + DIGEST_BYTES;
  const payload = Buffer.alloc(stamps.length * entryBytes);
  for (const [index, stamp] of stamps.entries()) {
    const start = offset + index * REGION_BYTES;
    const bytes = Math.min(REGION_BYTES, offset + length - start);
    const blocks = data.readRange(blocksOf({ offset: start, length: bytes }));
    payload.writeUInt32LE(stamp, index * entryBytes);
    writeDigest(blocks, payload, index * entryBytes + STAMP_BYTES);
  }
  return { ...NO_FIELDS, opcode: OPCODE.HASHES_REPLY, seq, offset, length, payload };
}
