import {
  BLOCK_BYTES,
  MAX_ATTRIBUTE_BYTES,
  MAX_LEASE_MS,
  MAX_VOLUME_BYTES,
} from '../common/limits.ts';
import type { ByteRange } from '../common/ranges.ts';
import {
  type Fields,
  parseJson,
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readOneOf,
  readString,
  readStringOrNull,
  readText,
} from '../common/validate.ts';

/**
 * The handshake, before any I/O. Every message is a frame whose payload is JSON (UTF-8).
 *
 *   replica    → CHALLENGE  { nonce }
 *   controller → HELLO      32-byte proof, then Hello
 *   replica    → WELCOME    32-byte proof, then Welcome     or  REFUSED { code, message }
 *
 * Both sides show that they hold the volume's secret: proof = HMAC-SHA-256(secret, the other
 * side's nonce ‖ the JSON bytes), so a recorded handshake is worth nothing later.
 */
export interface Hello {
  readonly protocolVersion: number;
  readonly volumeId: string;
  readonly replicaId: string;
  /** The data id that the membership record has for this replica; null when it has none yet. */
  readonly dataId: string | null;
  /**
   * Highest session of this copy that the record knows. One that has a lower one was rolled back to
   * an earlier state of its disk, and refuses before it counts another session (I5).
   */
  readonly session: number;
  /** Fencing token (I4): the replica persists it before it answers. */
  readonly epoch: number;
  /** Names this start of a controller; two instances never share one. */
  readonly instanceId: string;
  readonly nonce: string;
}

export interface Welcome {
  readonly protocolVersion: number;
  readonly volumeId: string;
  readonly replicaId: string;
  readonly dataId: string;
  readonly sizeBytes: number;
  /** True until the first write: the data file is one hole. */
  readonly isPristine: boolean;
  /** Counts hellos, this one included, and grows with the epoch; persisted (I5). */
  readonly session: number;
  /** Highest seq this copy has executed; the next controller numbers on from the highest of all. */
  readonly lastSeq: number;
  readonly restart: Restart;
  /**
   * Where some other copy may differ from this one (I6): what it wrote above the last stableSeq,
   * or, after a restart, its hot extents. Merged, sorted, at most MAX_TAIL_RANGES.
   */
  readonly tail: readonly ByteRange[];
  /** Leases on reads that other controllers may still hold from this copy (I7). */
  readonly leases: readonly Lease[];
  /** The volume's attribute as it was stored last, in base64; empty when it never was. */
  readonly attribute: string;
}

/**
 * What this copy may have forgotten.
 * 'none': nothing, it never died with a hot extent. 'killed': which writes were in flight, but it
 * has all that it answered. 'may-lack-writes': it lost power, or a flush failed, so writes that it
 * answered and that were not flushed may be gone from its hot extents (I13).
 */
export type Restart = (typeof RESTARTS)[number];
export const RESTARTS = ['none', 'killed', 'may-lack-writes'] as const;

export interface Lease {
  readonly instanceId: string;
  /** By this copy's clock, from the moment of the welcome. */
  readonly remainingMs: number;
}

/** Why a replica turned a controller away; `code` is one of `ERROR_CODES`. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Longer than a UUID; so all that may hold a lease fit into a replica's metadata. */
export const MAX_INSTANCE_ID_LENGTH = 48;
export const NONCE_BYTES = 32;
export const PROOF_BYTES = 32;

/** With more ranges than this, those that lie closest together are reported as one. */
export const MAX_TAIL_RANGES = 1024;
/** Characters of base64 that the longest attribute takes. */
export const MAX_ATTRIBUTE_TEXT: number = Math.ceil(MAX_ATTRIBUTE_BYTES / 3) * 4;
/** Instances that may hold a lease at once: each needs a hello with a newer epoch. */
export const MAX_LEASES = 64;

export function decodeChallenge(json: Buffer): { nonce: string } {
  const fields = readObject(parseJson(json.toString('utf8'), 'challenge'), 'challenge');
  return { nonce: readString(fields, 'nonce', NONCE_BYTES * 2) };
}

export function decodeHello(json: Buffer): Hello {
  const fields = readObject(parseJson(json.toString('utf8'), 'hello'), 'hello');
  return {
    protocolVersion: readInteger(fields, 'protocolVersion', { min: 1, max: 0xffff }),
    volumeId: readString(fields, 'volumeId'),
    replicaId: readString(fields, 'replicaId'),
    dataId: readStringOrNull(fields, 'dataId'),
    session: readInteger(fields, 'session', { min: 0, max: Number.MAX_SAFE_INTEGER }),
    epoch: readInteger(fields, 'epoch', { min: 1, max: Number.MAX_SAFE_INTEGER }),
    instanceId: readString(fields, 'instanceId', MAX_INSTANCE_ID_LENGTH),
    nonce: readString(fields, 'nonce', NONCE_BYTES * 2),
  };
}

export function decodeWelcome(json: Buffer): Welcome {
  const fields = readObject(parseJson(json.toString('utf8'), 'welcome'), 'welcome');
  return {
    protocolVersion: readInteger(fields, 'protocolVersion', { min: 1, max: 0xffff }),
    volumeId: readString(fields, 'volumeId'),
    replicaId: readString(fields, 'replicaId'),
    dataId: readString(fields, 'dataId'),
    sizeBytes: readInteger(fields, 'sizeBytes', { min: BLOCK_BYTES, max: MAX_VOLUME_BYTES }),
    isPristine: readBoolean(fields, 'isPristine'),
    session: readInteger(fields, 'session', { min: 1, max: Number.MAX_SAFE_INTEGER }),
    lastSeq: readInteger(fields, 'lastSeq', { min: 0, max: Number.MAX_SAFE_INTEGER }),
    restart: readOneOf(fields, 'restart', RESTARTS),
    tail: decodeTail(fields),
    leases: readArray(fields, 'leases', MAX_LEASES).map(decodeLease),
    attribute: readText(fields, 'attribute', MAX_ATTRIBUTE_TEXT),
  };
}

export function decodeRefusal(json: Buffer): Refusal {
  const fields = readObject(parseJson(json.toString('utf8'), 'refusal'), 'refusal');
  return { code: readString(fields, 'code'), message: readString(fields, 'message') };
}

export function encodeJson(value: Hello | Welcome | Refusal | { nonce: string }): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

function decodeTail(fields: Fields): ByteRange[] {
  return readArray(fields, 'tail', MAX_TAIL_RANGES).map((entry) => {
    const range = readObject(entry, 'tail range');
    const start = readInteger(range, 'start', { min: 0, max: MAX_VOLUME_BYTES });
    return { start, end: readInteger(range, 'end', { min: start + 1, max: MAX_VOLUME_BYTES }) };
  });
}

function decodeLease(value: unknown): Lease {
  const fields = readObject(value, 'lease');
  return {
    instanceId: readString(fields, 'instanceId'),
    remainingMs: readInteger(fields, 'remainingMs', { min: 0, max: MAX_LEASE_MS }),
  };
}
