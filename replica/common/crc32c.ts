import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/** CRC-32C (Castagnoli, RFC 7143 section 13.1 polynomial) of `bytes`, continuing from `seed`. */
export function crc32c(bytes: Buffer, seed = 0): number {
  return nativeCrc32c(bytes, seed);
}
