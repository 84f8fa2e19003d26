/** iSCSI names have at most 223 bytes (RFC 7143 section 4.2.7.2). */
export const MAX_NAME_BYTES = 223;

/**
 * The form in which iSCSI names are compared: RFC 3722 maps compatible characters to one and capitals
 * to small letters.
 */
export function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

/**
 * Whether `name` is one that an initiator may have: `iqn.2026-11.com.example:host1`, `eui.` with 16
 * or `naa.` with 16 or 32 hexadecimal digits (RFC 7143 section 4.2.7). An underscore is no part of the
 * standard, but of names in use.
 */
export function isInitiatorName(name: string): boolean {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return false;
  return (
    /^iqn\.\d{4}-(0[1-9]|1[0-2])\.[\p{L}\p{N}.:_-]+$/u.test(name) ||
    /^(eui\.[0-9a-f]{16}|naa\.([0-9a-f]{16}|[0-9a-f]{32}))$/.test(name)
  );
}
