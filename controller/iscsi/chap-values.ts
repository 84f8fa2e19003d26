/** The largest binary value of a CHAP key, decoded (RFC 7143 section 12.1.3). */
export const MAX_CHAP_BYTES = 1024;

const HEX = /^0[xX]((?:[0-9a-fA-F]{2})+)$/;
const BASE64 = /^0[bB]((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;

/**
 * Decodes a large binary value (RFC 7143 section 6.1): `0x` and pairs of hexadecimal digits, or `0b`
 * and base64 with its padding. Undefined for anything else, for nothing, and beyond MAX_CHAP_BYTES.
 */
export function decodeBinary(value: string): Buffer | undefined {
  const bytes = decodeDigits(value);
  if (bytes === undefined || bytes.length === 0 || bytes.length > MAX_CHAP_BYTES) return undefined;
  return bytes;
}

export function encodeBinary(bytes: Buffer): string {
  return `0x${bytes.toString('hex')}`;
}

function decodeDigits(value: string): Buffer | undefined {
  const hex = HEX.exec(value)?.[1];
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  const base64 = BASE64.exec(value)?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
}
