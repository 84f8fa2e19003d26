import type { ReadPayload } from '../../controller/volume/reads.ts';
import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { FLAG } from '../../replica/protocol/constants.ts';
import { DIGEST_BYTES } from '../../replica/protocol/stamps.ts';

/**
 * The bytes of a volume as the simulator keeps them. Every write fills its blocks with a number of
 * its own, so four bytes stand for the 4096 of a block: frames, disks and reads carry these. The
 * frames say LZ4, which is why no core minds that a payload is shorter than what it stands for.
 */
export type Stamp = number;

/** All sectors of a block hold one stamp, unless a power loss tore a write: then each has its own. */
export type Block = Stamp | readonly Stamp[];

export const ZERO: Stamp = 0;
/** What memory holds once its owner uses it again; a read that shows it is a bug. */
export const REUSED: Stamp = 0xeeee_eeee;

export const SECTOR_BYTES = 512;
export const SECTORS_PER_BLOCK = BLOCK_BYTES / SECTOR_BYTES;

export interface BlockRange {
  readonly first: number;
  readonly count: number;
}

export function bytesOf(range: BlockRange): { offset: number; length: number } {
  return { offset: range.first * BLOCK_BYTES, length: range.count * BLOCK_BYTES };
}

export function blocksOf({ offset, length }: { offset: number; length: number }): BlockRange {
  return { first: offset / BLOCK_BYTES, count: length / BLOCK_BYTES };
}

export function sectorsOf(block: Block): readonly Stamp[] {
  return typeof block === 'number' ? new Array<Stamp>(SECTORS_PER_BLOCK).fill(block) : block;
}

/** The same block with one stamp when all its sectors agree. */
export function joinSectors(sectors: readonly Stamp[]): Block {
  const [first = ZERO] = sectors;
  return sectors.every((stamp) => stamp === first) ? first : sectors;
}

export function isSameBlock(one: Block, other: Block): boolean {
  if (typeof one === 'number' || typeof other === 'number') return one === other;
  return one.every((stamp, sector) => stamp === other[sector]);
}

// Payloads: one u32 LE a block, or TORN and then one for each of its sectors.

const TORN = 0xffff_ffff;
const STAMP_BYTES = 4;

export function encodeBlocks(blocks: readonly Block[]): Buffer {
  const words = blocks.flatMap((block) => (typeof block === 'number' ? block : [TORN, ...block]));
  const payload = Buffer.allocUnsafe(words.length * STAMP_BYTES);
  for (let at = 0; at < words.length; at += 1) payload.writeUInt32LE(words[at]!, at * STAMP_BYTES);
  return payload;
}

/** What a write of `count` blocks carries. */
export function encodeStamp(stamp: Stamp, count: number): Buffer {
  const payload = Buffer.allocUnsafe(count * STAMP_BYTES);
  for (let at = 0; at < payload.length; at += STAMP_BYTES) payload.writeUInt32LE(stamp, at);
  return payload;
}

export function decodeBlocks(payload: Buffer): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < payload.length; at += STAMP_BYTES) {
    const word = payload.readUInt32LE(at);
    if (word !== TORN) {
      blocks.push(word);
      continue;
    }
    const sectors: Stamp[] = [];
    while (sectors.length < SECTORS_PER_BLOCK) {
      at += STAMP_BYTES;
      sectors.push(payload.readUInt32LE(at));
    }
    blocks.push(sectors);
  }
  return blocks;
}

/** What the controller makes of the answer to a read; the payload is copied, as in production. */
export const readPayload: ReadPayload = ({ flags, length, payload }) =>
  (flags & FLAG.ZERO) !== 0 ? encodeStamp(ZERO, length / BLOCK_BYTES) : Buffer.from(payload);

/** Stands for SHA-256: equal for equal blocks, different for different ones as far as 64 bits go. */
export function writeDigest(blocks: readonly Block[], target: Buffer, at: number): void {
  let [low, high] = [0x9e37_79b9, 0x85eb_ca6b];
  for (const block of blocks) {
    for (const stamp of typeof block === 'number' ? [block] : [TORN, ...block]) {
      low = Math.imul(low ^ stamp, 0x0100_0193);
      high = Math.imul((high ^ stamp) + 0x7f4a_7c15, 0x5bd1_e995);
      low ^= high >>> 13;
    }
  }
  target.fill(0, at, at + DIGEST_BYTES);
  target.writeInt32LE(low, at);
  target.writeInt32LE(high, at + 4);
}

// The memory of writes, as an initiator's commands lie in it until they are done.

const POOL_SLOTS = 1 << 16;
/** Longest data of one write. */
const MAX_DATA_BYTES = 4 * 1024 * 1024;
/** Never touched beyond the slots, so most of it is never really there. */
const pool = Buffer.alloc(POOL_SLOTS * STAMP_BYTES + MAX_DATA_BYTES);

/**
 * Data of the right length for a write. Only its first four bytes mean something, so the data of
 * different writes may lie across each other.
 */
export function makeData(stamp: Stamp, count: number): Buffer {
  const at = (stamp % POOL_SLOTS) * STAMP_BYTES;
  pool.writeUInt32LE(stamp, at);
  return pool.subarray(at, at + count * BLOCK_BYTES);
}

/** The caller of a write that is done uses its memory for something else. */
export function reuseData(data: Buffer): void {
  data.writeUInt32LE(REUSED, 0);
}

export function stampOfData(data: Buffer): Stamp {
  return data.readUInt32LE(0);
}
