import { fail, failParameterField } from '../outcome.ts';
import type { ScsiPlan } from '../plan.ts';
import { SENSE } from '../sense.ts';
import { MAX_REGISTRATIONS } from './state.ts';
import { MAX_PORT_BYTES, readTransportId } from './transport-id.ts';

/**
 * Parameter list of PERSISTENT RESERVE OUT (SPC-4 clause 6.16.3), big-endian:
 *
 *   offset  size  field
 *        0     8  reservation key
 *        8     8  service action reservation key
 *       16     4  obsolete
 *       20     1  SPEC_I_PT (08h), ALL_TG_PT (04h), APTPL (01h)
 *       21     3  reserved, obsolete
 *       24     4  with SPEC_I_PT: length of the TransportIDs that follow
 */
export const BASIC = { key: 0, serviceActionKey: 8, flags: 20, transportIds: 24 } as const;
const BASIC_BYTES = 24;
const SPEC_I_PT_BIT = 0x08;
const APTPL_BIT = 0x01;

/**
 * Of REGISTER AND MOVE (SPC-4 clause 6.16.4):
 *
 *       16     1  reserved
 *       17     1  UNREG (02h), APTPL (01h)
 *       18     2  relative target port identifier
 *       20     4  length of the TransportID that follows
 */
export const MOVE = { serviceActionKey: 8, flags: 17, targetPort: 18, transportId: 24 } as const;
const UNREG_BIT = 0x02;
/** Relative port identifier of the only port, as in the device identification VPD page. */
export const TARGET_PORT = 1;

const MAX_LIST_BYTES = 28 + MAX_REGISTRATIONS * (8 + MAX_PORT_BYTES);

export interface BasicList {
  readonly bytes: number;
  readonly key: bigint;
  readonly serviceActionKey: bigint;
  readonly aptpl: boolean;
  /** Initiator ports named besides; undefined without SPEC_I_PT. */
  readonly ports: readonly string[] | undefined;
}

export interface MoveList {
  readonly bytes: number;
  readonly key: bigint;
  readonly serviceActionKey: bigint;
  readonly aptpl: boolean;
  readonly isUnregistering: boolean;
  /** The initiator port that the reservation moves to. */
  readonly destination: string;
}

/**
 * The parameter list of all service actions but REGISTER AND MOVE, or the error that it is answered
 * with. ALL_TG_PT asks for what happens anyway: there is one target port.
 *
 * @param listBytes PARAMETER LIST LENGTH
 */
export function readBasicList(
  data: Buffer,
  listBytes: number,
  maySpecifyPorts: boolean,
): BasicList | ScsiPlan {
  if (listBytes < BASIC_BYTES || listBytes > MAX_LIST_BYTES || data.length < listBytes) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  const list = data.subarray(0, listBytes);
  const flags = list.readUInt8(BASIC.flags);
  const specifiesPorts = (flags & SPEC_I_PT_BIT) !== 0;
  if (specifiesPorts && !maySpecifyPorts) return failParameterField(BASIC.flags);
  if (!specifiesPorts && listBytes !== BASIC_BYTES) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  const ports = specifiesPorts ? readPorts(list) : undefined;
  if (ports !== undefined && 'kind' in ports) return ports;
  return {
    bytes: listBytes,
    key: list.readBigUInt64BE(BASIC.key),
    serviceActionKey: list.readBigUInt64BE(BASIC.serviceActionKey),
    aptpl: (flags & APTPL_BIT) !== 0,
    ports,
  };
}

function readPorts(list: Buffer): readonly string[] | ScsiPlan {
  const start = BASIC.transportIds + 4;
  if (list.length < start) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  const end = start + list.readUInt32BE(BASIC.transportIds);
  if (end > list.length) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  const ports: string[] = [];
  for (let at = start; at < end; ) {
    const transportId = readTransportId(list.subarray(at, end));
    if (transportId === undefined) return failParameterField(at);
    ports.push(transportId.port);
    at += transportId.bytes;
  }
  return ports;
}

/** The parameter list of REGISTER AND MOVE, or the error that it is answered with. */
export function readMoveList(data: Buffer, listBytes: number): MoveList | ScsiPlan {
  if (listBytes < MOVE.transportId || listBytes > MAX_LIST_BYTES || data.length < listBytes) {
    return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  }
  const list = data.subarray(0, listBytes);
  const end = MOVE.transportId + list.readUInt32BE(MOVE.transportId - 4);
  if (end > listBytes) return fail(SENSE.PARAMETER_LIST_LENGTH_ERROR);
  if (list.readUInt16BE(MOVE.targetPort) !== TARGET_PORT)
    return failParameterField(MOVE.targetPort);
  const transportId = readTransportId(list.subarray(MOVE.transportId, end));
  if (transportId === undefined || MOVE.transportId + transportId.bytes !== end) {
    return failParameterField(MOVE.transportId);
  }
  const flags = list.readUInt8(MOVE.flags);
  return {
    bytes: listBytes,
    key: list.readBigUInt64BE(0),
    serviceActionKey: list.readBigUInt64BE(MOVE.serviceActionKey),
    aptpl: (flags & APTPL_BIT) !== 0,
    isUnregistering: (flags & UNREG_BIT) !== 0,
    destination: transportId.port,
  };
}
