import { crc32c } from '../../replica/common/crc32c.ts';

/** Which parts of each PDU carry a CRC-32C, from the full feature phase on (section 13.1). */
export interface Digests {
  /** Over the basic header segment and the additional ones. */
  readonly header: boolean;
  /** Over the data segment with its padding; a PDU without data has none. */
  readonly data: boolean;
}

export const NO_DIGESTS: Digests = { header: false, data: false };

/** Length of a digest on the wire. */
export const DIGEST_BYTES = 4;

/** Whether `bytes` has the digest of `covered` at `at`. */
export function isDigestRight(bytes: Buffer, at: number, covered: Buffer): boolean {
  return bytes.readUInt32LE(at) === crc32c(covered);
}

/**
 * Writes the digest of `covered` and of so many bytes of zeros behind it.
 *
 * Its bits lie on the wire so that it is a little-endian number, unlike all others in a PDU
 * (section 13.1, and the examples of appendix A.4: 32 bytes of zeros give aa 36 91 8a).
 */
export function writeDigest(bytes: Buffer, at: number, covered: Buffer, paddingBytes = 0): void {
  const digest = crc32c(covered);
  const whole = paddingBytes === 0 ? digest : crc32c(ZEROS.subarray(0, paddingBytes), digest);
  bytes.writeUInt32LE(whole, at);
}

const ZEROS = Buffer.alloc(3);
