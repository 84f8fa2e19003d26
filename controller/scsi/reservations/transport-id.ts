import { assert } from '../../../replica/common/assert.ts';
import { foldName, MAX_NAME_BYTES } from '../../protocol/initiator-name.ts';

/**
 * TransportID of an iSCSI initiator port, format code 01b (SPC-4 clause 7.6.4.6):
 *
 *   offset  size  field
 *        0     1  45h: format code 01b, protocol identifier 5h (iSCSI)
 *        1     1  0
 *        2     2  additional length: at least 20, a multiple of 4
 *        4     …  iSCSI name, ",i,0x", ISID in hexadecimal digits, 1 to 4 or more zeros
 */
const ISCSI_PORT = 0x45;
const HEADER_BYTES = 4;
const MIN_ADDITIONAL_BYTES = 20;
const SEPARATOR = ',i,0x';
const ISID_DIGITS = 12;
/** What a name of an initiator port takes at most, in bytes. */
export const MAX_PORT_BYTES = MAX_NAME_BYTES + SEPARATOR.length + ISID_DIGITS;

/** @param port as `parsePort` makes it */
export function makeTransportId(port: string): Buffer {
  const name = Buffer.from(port);
  assert(name.length <= MAX_PORT_BYTES, 'the name of an initiator port fits', { port });
  const padded = Math.ceil((name.length + 1) / 4) * 4;
  const transportId = Buffer.alloc(HEADER_BYTES + Math.max(padded, MIN_ADDITIONAL_BYTES));
  transportId[0] = ISCSI_PORT;
  transportId.writeUInt16BE(transportId.length - HEADER_BYTES, 2);
  name.copy(transportId, HEADER_BYTES);
  return transportId;
}

/**
 * The port that the TransportID at the beginning of `bytes` names, and the length of the latter in
 * bytes. Undefined when it is cut off, or none of an iSCSI initiator port: format code 00b, all
 * ports of an initiator, may be refused.
 */
export function readTransportId(bytes: Buffer): { port: string; bytes: number } | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== ISCSI_PORT) return undefined;
  const additional = bytes.readUInt16BE(2);
  const end = HEADER_BYTES + additional;
  if (additional < MIN_ADDITIONAL_BYTES || additional % 4 !== 0 || end > bytes.length) {
    return undefined;
  }
  const field = bytes.subarray(HEADER_BYTES, end);
  const zeroAt = field.indexOf(0);
  const text = field.subarray(0, zeroAt < 0 ? field.length : zeroAt);
  const port = parsePort(text.toString());
  // Bytes that are no UTF-8 do not survive the way there and back.
  if (port === undefined || !Buffer.from(text.toString()).equals(text)) return undefined;
  return { port, bytes: end };
}

/**
 * The name of an initiator port in the form in which such names are compared, with all digits of the
 * ISID. Undefined when it is no such name.
 */
export function parsePort(text: string): string | undefined {
  const at = text.lastIndexOf(SEPARATOR);
  if (at < 0) return undefined;
  const name = foldName(text.slice(0, at));
  const isid = text.slice(at + SEPARATOR.length).toLowerCase();
  const isName = name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= MAX_NAME_BYTES;
  if (!isName || !/^[0-9a-f]{1,12}$/.test(isid)) return undefined;
  return `${name}${SEPARATOR}${isid.padStart(ISID_DIGITS, '0')}`;
}
