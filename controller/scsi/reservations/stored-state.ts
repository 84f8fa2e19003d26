import { assert } from '../../../replica/common/assert.ts';
import { crc32c } from '../../../replica/common/crc32c.ts';
import { MAX_ATTRIBUTE_BYTES } from '../../../replica/common/limits.ts';
import {
  isAllRegistrants,
  isReservationType,
  MAX_REGISTRATIONS,
  NOTHING_RESERVED,
  type Registration,
  type Reservation,
  type ReservationState,
} from './state.ts';
import { MAX_PORT_BYTES, parsePort } from './transport-id.ts';

/**
 * What persists through power loss (APTPL), as the volume's attribute. Nothing at all is stored while
 * that is not activated. Big-endian:
 *
 *   offset  size  field
 *        0     4  magic "KRES"
 *        4     1  version 1
 *        5     1  type of the reservation; 0: none
 *        6     1  index of the holder's registration; FFh: none, or all registrants
 *        7     1  number of registrations, at most 64
 *        8     …  of each: reservation key (8), length of the port's name (1), the name (UTF-8)
 *        …     4  CRC-32C of all before
 */
const MAGIC = 0x4b524553;
const VERSION = 1;
const NO_HOLDER = 0xff;
const HEADER_BYTES = 8;
const CRC_BYTES = 4;
const REGISTRATION_BYTES = 8 + 1 + MAX_PORT_BYTES;

assert(
  HEADER_BYTES + MAX_REGISTRATIONS * REGISTRATION_BYTES + CRC_BYTES <= MAX_ATTRIBUTE_BYTES,
  'all that can be registered fits what a volume keeps',
);

/** The attribute to store for `state`: empty when it does not persist. */
export function encodeState({ aptpl, registrations, reservation }: ReservationState): Buffer {
  if (!aptpl) return Buffer.alloc(0);
  assert(registrations.length <= MAX_REGISTRATIONS, 'registrations are limited');
  const holder = registrations.findIndex(({ port }) => port === reservation?.holder);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(MAGIC, 0);
  header.set([VERSION, reservation?.type ?? 0, holder < 0 ? NO_HOLDER : holder], 4);
  header[7] = registrations.length;
  const body = Buffer.concat([header, ...registrations.map(encodeRegistration)]);
  const crc = Buffer.alloc(CRC_BYTES);
  crc.writeUInt32BE(crc32c(body), 0);
  return Buffer.concat([body, crc]);
}

function encodeRegistration({ port, key }: Registration): Buffer {
  const name = Buffer.from(port);
  assert(name.length <= MAX_PORT_BYTES, 'the name of an initiator port fits', { port });
  const head = Buffer.alloc(9);
  head.writeBigUInt64BE(key, 0);
  head[8] = name.length;
  return Buffer.concat([head, name]);
}

/** The state that was stored, with a generation of 0; or why it cannot be told. */
export function decodeState(bytes: Buffer): ReservationState | string {
  if (bytes.length === 0) return NOTHING_RESERVED;
  if (bytes.length < HEADER_BYTES + CRC_BYTES) return `${bytes.length} bytes are too few`;
  const [version, type, holder, count] = bytes.subarray(4, HEADER_BYTES) as unknown as number[];
  if (bytes.readUInt32BE(0) !== MAGIC) return 'it does not begin with "KRES"';
  if (version !== VERSION) return `version ${version}, expected ${VERSION}`;
  const body = bytes.subarray(0, bytes.length - CRC_BYTES);
  if (crc32c(body) !== bytes.readUInt32BE(body.length)) return 'its CRC does not match';
  const registrations = decodeRegistrations(body, count ?? 0);
  if (typeof registrations === 'string') return registrations;
  const reservation = decodeReservation(registrations, type ?? 0, holder ?? NO_HOLDER);
  if (typeof reservation === 'string') return reservation;
  return { registrations, reservation, aptpl: true, generation: 0 };
}

function decodeRegistrations(body: Buffer, count: number): Registration[] | string {
  if (count > MAX_REGISTRATIONS) return `${count} registrations, at most ${MAX_REGISTRATIONS}`;
  const registrations: Registration[] = [];
  let at = HEADER_BYTES;
  for (let index = 0; index < count; index += 1) {
    if (at + 9 > body.length) return `it ends within registration ${index}`;
    const end = at + 9 + body.readUInt8(at + 8);
    if (end > body.length) return `it ends within the name of registration ${index}`;
    const key = body.readBigUInt64BE(at);
    const name = body.toString('utf8', at + 9, end);
    const port = parsePort(name);
    if (key === 0n || port !== name) return `registration ${index} has no valid key and name`;
    registrations.push({ key, port });
    at = end;
  }
  if (at !== body.length) return `${body.length - at} bytes are left over`;
  const ports = new Set(registrations.map(({ port }) => port));
  return ports.size < count ? 'a port is registered twice' : registrations;
}

function decodeReservation(
  registrations: readonly Registration[],
  type: number,
  holder: number,
): Reservation | undefined | string {
  if (type === 0) return holder === NO_HOLDER ? undefined : 'a holder without a reservation';
  if (!isReservationType(type)) return `reservation type ${type} is unknown`;
  if (isAllRegistrants(type)) {
    const isHeld = holder === NO_HOLDER && registrations.length > 0;
    return isHeld ? { type, holder: undefined } : 'a reservation of all registrants without any';
  }
  const port = registrations[holder]?.port;
  return port === undefined ? `holder ${holder} is not registered` : { type, holder: port };
}
