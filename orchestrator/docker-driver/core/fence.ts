import { KeelsonError } from '../../../replica/common/errors.ts';

/**
 * One writing host a volume: a Write Exclusive persistent reservation (SPC-4 clause 5.13), kept by the
 * volume's copies (APTPL), so that it outlives sessions, hosts and controllers. Its key says which
 * host holds it.
 */
export const WRITE_EXCLUSIVE = 1;

/** One registered I_T nexus, as READ FULL STATUS shows it. */
export interface Registration {
  readonly key: bigint;
  readonly isHolder: boolean;
  /** The initiator's name; empty when the target tells it in another way. */
  readonly initiator: string;
}

/** Who holds the volume, seen from one host. */
export type Holder =
  | { readonly kind: 'nobody' | 'us' }
  | { readonly kind: 'other'; readonly key: bigint; readonly initiator: string };

const HEADER_BYTES = 8;
const DESCRIPTOR_BYTES = 24;
const HOLDER_BIT = 1;
/** iSCSI, with the session's ISID behind the name (SPC-4 clause 7.6.4.6). */
const ISCSI_PORT_ID = 0x45;

/**
 * Reads the answer of PERSISTENT RESERVE IN, READ FULL STATUS (SPC-4 clause 6.15.5), big-endian:
 *
 *   0  u32  PRGENERATION           4  u32  bytes of descriptors that follow
 *
 * and each descriptor:
 *   0  u64  key       12  u8  bit 0: holder       20  u32  bytes of the TransportID
 *  24  TransportID: 45h, 0, u16 bytes of the name, the name `iqn…,i,0x…`, padded with zeros
 *
 * Errors: PROTOCOL_VIOLATION when lengths do not fit.
 */
export function decodeFullStatus(bytes: Buffer): readonly Registration[] {
  if (bytes.length < HEADER_BYTES) throw damaged(bytes.length);
  const end = HEADER_BYTES + bytes.readUInt32BE(4);
  if (end > bytes.length) throw damaged(bytes.length);
  const registrations: Registration[] = [];
  let at = HEADER_BYTES;
  while (at < end) {
    if (at + DESCRIPTOR_BYTES > end) throw damaged(bytes.length);
    const transportIdEnd = at + DESCRIPTOR_BYTES + bytes.readUInt32BE(at + 20);
    if (transportIdEnd > end) throw damaged(bytes.length);
    registrations.push({
      key: bytes.readBigUInt64BE(at),
      isHolder: (bytes.readUInt8(at + 12) & HOLDER_BIT) !== 0,
      initiator: initiatorIn(bytes.subarray(at + DESCRIPTOR_BYTES, transportIdEnd)),
    });
    at = transportIdEnd;
  }
  return registrations;
}

export function holderOf(registrations: readonly Registration[], ownKey: bigint): Holder {
  const holder = registrations.find(({ isHolder }) => isHolder);
  if (holder === undefined) return { kind: 'nobody' };
  if (holder.key === ownKey) return { kind: 'us' };
  return { kind: 'other', key: holder.key, initiator: holder.initiator };
}

/** How long a holder without a session may be away before the volume is taken from it. */
export const HOLDER_GRACE_MS = 10_000;
/** A container that moves here leaves its old host a moment later, and a look from outside is short. */
const LEAVING_MS = 5_000;

export interface Sight {
  readonly holder: Holder;
  /** Sessions beside our own; null: the controller does not say. */
  readonly others: number | null;
  /** Since the first look. */
  readonly waitedMs: number;
  /** How long there have been no other sessions, without a break. */
  readonly quietMs: number;
}

export type Verdict =
  /** `claim` what nobody else holds; `take` it from who does. */
  { readonly kind: 'claim' | 'take' | 'wait' } | { readonly kind: 'refuse'; readonly why: string };

/**
 * Whether this host may have the volume.
 *
 * What it held it may have again, whoever is logged in: after a crash that is its own dead session.
 *
 * What nobody holds it may have unless an initiator is logged in that goes by no reservation.
 *
 * A holder that is logged in is alive, with the file system mounted: refused. One that is not logged in
 * is gone, or its network is, or the controller has just started and it is about to come back, which
 * an initiator on Linux does within 4 s. So it is waited for, and then the volume is taken: from that
 * moment nothing that the other host still sends is written, whenever it comes back.
 */
export function judge({ holder, others, waitedMs, quietMs }: Sight): Verdict {
  if (holder.kind === 'us') return { kind: 'claim' };
  if (others === null) return { kind: 'wait' };
  if (others > 0) {
    return waitedMs < LEAVING_MS ? { kind: 'wait' } : { kind: 'refuse', why: whyRefused(holder) };
  }
  if (holder.kind === 'nobody') return { kind: 'claim' };
  return { kind: quietMs < HOLDER_GRACE_MS ? 'wait' : 'take' };
}

function whyRefused(holder: Holder): string {
  const advice =
    'stop the containers that use it there; a host that died counts as logged out after 70 s';
  if (holder.kind !== 'other') {
    return `another initiator is logged in to it, and one host at a time mounts a volume; ${advice}`;
  }
  const name = holder.initiator === '' ? '' : ` (${holder.initiator})`;
  return `it is mounted on another host${name}, and one host at a time mounts a volume; ${advice}`;
}

function initiatorIn(transportId: Buffer): string {
  if (transportId.length < 4 || transportId[0] !== ISCSI_PORT_ID) return '';
  const name = transportId.subarray(4, 4 + transportId.readUInt16BE(2)).toString('utf8');
  // It is shown to people: what another host calls itself must not look like anything else.
  return (
    name
      .split(',i,')[0]
      ?.replaceAll(/[^\x21-\x7e]/g, '')
      .slice(0, 223) ?? ''
  );
}

function damaged(length: number): KeelsonError {
  return new KeelsonError(
    'PROTOCOL_VIOLATION',
    `read the reservations: the lengths in the answer of ${length} bytes do not fit`,
  );
}
