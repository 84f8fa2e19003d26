import { REGION_BYTES } from '../common/limits.ts';

/**
 * A region's stamp: the generation of the membership record that last wrote it. 0 means never, so
 * the region is a hole. UNKNOWN means that nobody can tell: as a source of a sync the region counts
 * as written in the newest generation, as a target it is compared by hash.
 */
export const STAMP = { NEVER: 0, UNKNOWN: 0xffff_ffff } as const;

/** Generations are stamps, so they stay below UNKNOWN. */
export const MAX_GENERATION = STAMP.UNKNOWN - 1;

export const STAMP_BYTES = 4;
export const DIGEST_BYTES = 32;
/** Of a region in HASHES_REPLY: its stamp, then its SHA-256. */
export const HASH_ENTRY_BYTES: number = STAMP_BYTES + DIGEST_BYTES;

/** Regions that `[start, end)` touches, as `[first, last + 1)`. */
export function regionsOf(start: number, end: number): { first: number; end: number } {
  return { first: Math.floor(start / REGION_BYTES), end: Math.ceil(end / REGION_BYTES) };
}

/** The payload of STAMPS_REPLY. */
export function encodeStamps(stamps: readonly number[]): Buffer {
  const payload = Buffer.allocUnsafe(stamps.length * STAMP_BYTES);
  for (const [index, stamp] of stamps.entries()) payload.writeUInt32LE(stamp, index * STAMP_BYTES);
  return payload;
}
