import { MAX_IO_BYTES } from '../../replica/common/limits.ts';
import type { Lz4 } from '../../replica/common/lz4.ts';
import { FLAG } from '../../replica/protocol/constants.ts';
import type { Frame } from '../../replica/protocol/frame.ts';
import type { ReadPayload } from './reads.ts';

/** Turns the answer to a read into bytes: a hole into shared zeros, lz4 into a buffer of its own. */
export function makeReadPayload(
  lz4: Pick<Lz4, 'decompress'>,
  allocate: (bytes: number) => Buffer = Buffer.allocUnsafe,
): ReadPayload {
  return ({ flags, length, payload }: Frame) => {
    if (length > MAX_IO_BYTES) return undefined;
    if ((flags & FLAG.ZERO) !== 0) return zeros(length);
    const data = allocate(length);
    // The payload is a view on the receive buffer, which is used again.
    if ((flags & FLAG.LZ4) === 0) {
      return payload.length === length && payload.copy(data) === length ? data : undefined;
    }
    return lz4.decompress(payload, data) ? data : undefined;
  };
}

/** Nobody writes to what a read returned, so all holes can share their zeros. */
let sharedZeros = Buffer.alloc(64 * 1024);

function zeros(length: number): Buffer {
  if (length > sharedZeros.length) sharedZeros = Buffer.alloc(length);
  return sharedZeros.subarray(0, length);
}
