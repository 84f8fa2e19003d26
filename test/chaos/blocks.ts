import { BLOCK_BYTES } from '../../replica/common/limits.ts';
import { SeededRandom } from '../support/random.ts';

/** Names one attempt to write; 0 is a block of zeros, which is what a new volume shows. */
export type Stamp = number;

/** Which block of which volume: written into the block itself, so that a misplaced one shows. */
export interface BlockPlace {
  readonly volume: number;
  readonly block: number;
}

/**
 * The bytes of a block, all of them decided by place and stamp:
 *
 *    0  magic, u32      4  volume, u32      8  block, u32      12  stamp, u32, all little-endian
 *   16  even stamps: the first 16 bytes over and over; odd stamps: noise, which lz4 cannot shrink
 */
const MAGIC = 0x5041_484b;
const HEADER_BYTES = 16;
const NOISE_OFFSETS = 4096;
const NOISE = new SeededRandom(0x6b65656c).bytes(NOISE_OFFSETS + BLOCK_BYTES);
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export function fillBlock(block: Buffer, place: BlockPlace, stamp: Stamp): void {
  block.writeUInt32LE(MAGIC, 0);
  block.writeUInt32LE(place.volume, 4);
  block.writeUInt32LE(place.block, 8);
  block.writeUInt32LE(stamp, 12);
  if (stamp % 2 === 0) {
    block.fill(block.subarray(0, HEADER_BYTES), HEADER_BYTES);
  } else {
    const from = (stamp * 31 + place.block) % NOISE_OFFSETS;
    NOISE.copy(block, HEADER_BYTES, from, from + BLOCK_BYTES - HEADER_BYTES);
  }
}

/** The stamp of a block as it was read, or what is wrong with its bytes (I10). */
export function readBlock(bytes: Buffer, place: BlockPlace): Stamp | string {
  if (bytes.equals(ZEROS)) return 0;
  const stamp = bytes.readUInt32LE(12);
  fillBlock(expected, place, stamp);
  if (bytes.equals(expected)) return stamp;
  if (bytes.readUInt32LE(0) !== MAGIC) {
    return `bytes that nobody wrote: ${bytes.subarray(0, HEADER_BYTES).toString('hex')} …`;
  }
  const volume = bytes.readUInt32LE(4);
  const block = bytes.readUInt32LE(8);
  if (volume !== place.volume || block !== place.block) {
    return `block ${block} of volume ${volume}, stamp ${stamp}, in the wrong place`;
  }
  const differs = bytes.findIndex((byte, index) => byte !== expected[index]);
  return `stamp ${stamp} up to byte ${differs} only`;
}

const expected = Buffer.alloc(BLOCK_BYTES);
