import { hash } from 'node:crypto';
import { assert } from '../common/assert.ts';
import { REGION_BYTES } from '../common/limits.ts';
import { HASH_ENTRY_BYTES, STAMP_BYTES } from '../protocol/stamps.ts';
import { isZero } from './is-zero.ts';

const DIGEST_OF_ZEROS = digestOf(Buffer.alloc(REGION_BYTES));

/** Payload of HASHES_REPLY for the regions in `data`: of each its stamp (u32 LE), then its SHA-256. */
export function hashRegions(data: Buffer, stamps: readonly number[]): Buffer {
  assert(stamps.length === Math.ceil(data.length / REGION_BYTES), 'each region has a stamp');
  const payload = Buffer.allocUnsafe(stamps.length * HASH_ENTRY_BYTES);
  for (const [index, stamp] of stamps.entries()) {
    const region = data.subarray(index * REGION_BYTES, (index + 1) * REGION_BYTES);
    // Much of a volume is holes; finding that out is far quicker than hashing them.
    const isHole = region.length === REGION_BYTES && isZero(region);
    const at = index * HASH_ENTRY_BYTES;
    payload.writeUInt32LE(stamp, at);
    (isHole ? DIGEST_OF_ZEROS : digestOf(region)).copy(payload, at + STAMP_BYTES);
  }
  return payload;
}

function digestOf(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer');
}
