import { crc32c } from '../../replica/common/crc32c.ts';

/**
 * One slot of the state file: a line of text, then JSON.
 *
 *   keelson-state 1 GENERATION LENGTH CRC\n
 *   { … }
 *
 * GENERATION counts writes, decimal; LENGTH is the JSON's in bytes, decimal; CRC is CRC-32C in 8
 * hex digits over everything but itself: the header line up to and including the space before it,
 * then the JSON.
 */
export interface Slot {
  readonly generation: number;
  readonly json: string;
}

const FORMAT = 'keelson-state 1';
const MAX_HEADER_BYTES = 80;

export function encodeSlot({ generation, json }: Slot): Buffer {
  const body = Buffer.from(json, 'utf8');
  const start = Buffer.from(`${FORMAT} ${generation} ${body.length} `, 'latin1');
  const crc = checksum(start, body);
  return Buffer.concat([start, Buffer.from(`${crc}\n`, 'latin1'), body]);
}

/** The slot, or undefined when a torn or damaged write left something else. */
export function decodeSlot(bytes: Buffer): Slot | undefined {
  const header = bytes.subarray(0, MAX_HEADER_BYTES).toString('latin1').split('\n', 1)[0] ?? '';
  const match = /^(keelson-state 1 (\d{1,15}) (\d{1,10}) )([0-9a-f]{8})$/.exec(header);
  if (match === null) return undefined;
  const [, start = '', generation, length, crc] = match;
  const body = bytes.subarray(header.length + 1);
  if (body.length !== Number(length)) return undefined;
  if (checksum(Buffer.from(start, 'latin1'), body) !== crc) return undefined;
  return { generation: Number(generation), json: body.toString('utf8') };
}

function checksum(start: Buffer, body: Buffer): string {
  return crc32c(body, crc32c(start)).toString(16).padStart(8, '0');
}
