import { TARGET_PORT } from './parameter-list.ts';
import { isHolder, keyOf, RESERVATION_TYPE, type ReservationState } from './state.ts';
import { makeTransportId } from './transport-id.ts';

/**
 * Parameter data of PERSISTENT RESERVE IN (SPC-4 clause 6.15). All but the capabilities begin with
 * PRGENERATION (4) and the number of bytes that follow (4).
 */
const HEADER_BYTES = 8;

/** READ KEYS (clause 6.15.2): the keys, 8 bytes each. */
export function makeKeys({ generation, registrations }: ReservationState): Buffer {
  const keys = Buffer.alloc(8 * registrations.length);
  for (const [index, { key }] of registrations.entries()) keys.writeBigUInt64BE(key, 8 * index);
  return withHeader(generation, keys);
}

/** READ RESERVATION (clause 6.15.3): key (8), obsolete (4), reserved (1), scope and type (1), obsolete (2). */
export function makeReservationReport(state: ReservationState): Buffer {
  const { reservation, generation } = state;
  if (reservation === undefined) return withHeader(generation, Buffer.alloc(0));
  const { type, holder } = reservation;
  const descriptor = Buffer.alloc(16);
  const key = holder === undefined ? 0n : (keyOf(state, holder) ?? 0n);
  descriptor.writeBigUInt64BE(key, 0);
  descriptor[13] = type; // LU_SCOPE is 0
  return withHeader(generation, descriptor);
}

/** RLR_C, CRH, SIP_C, ATP_C and PTPL_C: all of it is supported. */
const CAPABLE = 0x80 | 0x10 | 0x08 | 0x04 | 0x01;
/** TMV, and ALLOW COMMANDS 100b: as many as the standard lets through (access.ts). */
const TYPES_VALID = 0x80;
const ALLOW_COMMANDS = 0x40;
const PTPL_ACTIVATED = 0x01;

/** REPORT CAPABILITIES (clause 6.15.4): length (2), two bytes of bits, mask of types (2), reserved (2). */
export function makeCapabilities({ aptpl }: ReservationState): Buffer {
  const data = Buffer.alloc(8);
  data.writeUInt16BE(data.length, 0);
  data[2] = CAPABLE;
  data[3] = TYPES_VALID | ALLOW_COMMANDS | (aptpl ? PTPL_ACTIVATED : 0);
  // Types 1 to 7 are bits 1 to 7 of the first byte, type 8 is bit 0 of the second.
  const types = Object.values(RESERVATION_TYPE).reduce((mask, type) => mask | (1 << type), 0);
  data.writeUInt16LE(types, 4);
  return data;
}

/**
 * READ FULL STATUS (clause 6.15.5), of each registration:
 *
 *        0     8  reservation key
 *       12     1  ALL_TG_PT (02h, never set), R_HOLDER (01h)
 *       13     1  scope and type, of a holder
 *       18     2  relative target port identifier
 *       20     4  length of what follows
 *       24     …  TransportID
 */
export function makeFullStatus(state: ReservationState): Buffer {
  const descriptors = state.registrations.map(({ key, port }) => {
    const transportId = makeTransportId(port);
    const head = Buffer.alloc(24);
    head.writeBigUInt64BE(key, 0);
    if (isHolder(state, port)) {
      head[12] = 0x01;
      head[13] = state.reservation?.type ?? 0;
    }
    head.writeUInt16BE(TARGET_PORT, 18);
    head.writeUInt32BE(transportId.length, 20);
    return Buffer.concat([head, transportId]);
  });
  return withHeader(state.generation, Buffer.concat(descriptors));
}

function withHeader(generation: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(generation, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}
