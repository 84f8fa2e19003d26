const ZEROS = Buffer.alloc(64 * 1024);

/** Whether all bytes are zero. One look at the first byte settles most data that is not. */
export function isZero(bytes: Buffer): boolean {
  if (bytes[0] !== 0) return false;
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const end = Math.min(at + ZEROS.length, bytes.length);
    if (ZEROS.compare(bytes, at, end, 0, end - at) !== 0) return false;
  }
  return true;
}
