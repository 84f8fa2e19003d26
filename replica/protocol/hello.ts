import { BLOCK_BYTES, MAX_VOLUME_BYTES } from '../common/limits.ts';
import type { ByteRange } from '../common/ranges.ts';
import {
  parseJson,
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readString,
  readStringOrNull,
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
  /** Counts hellos, persisted: a lower one than before means that the disk was rolled back (I5). */
  readonly session: number;
  /** Highest seq this copy has executed; the next controller numbers on from the highest of all. */
  readonly lastSeq: number;
  /** The kernel's boot id: tells a killed process from a machine that lost power (I13). */
  readonly bootId: string;
  /** What an earlier controller may have left half done on this copy (I6). */
  readonly tail: Tail;
}

/** Ranges written above the last stableSeq. `known: false` after a restart that was not clean. */
export type Tail =
  | { readonly known: false }
  | { readonly known: true; readonly ranges: readonly ByteRange[] };

/** Why a replica turned a controller away; `code` is one of `ERROR_CODES`. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

export const NONCE_BYTES = 32;
export const PROOF_BYTES = 32;

/** A session longer than this many unconfirmed ranges reports an unknown tail instead. */
export const MAX_TAIL_RANGES = 1024;

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
    epoch: readInteger(fields, 'epoch', { min: 1, max: Number.MAX_SAFE_INTEGER }),
    instanceId: readString(fields, 'instanceId'),
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
    bootId: readString(fields, 'bootId'),
    tail: decodeTail(fields.tail),
  };
}

export function decodeRefusal(json: Buffer): Refusal {
  const fields = readObject(parseJson(json.toString('utf8'), 'refusal'), 'refusal');
  return { code: readString(fields, 'code'), message: readString(fields, 'message') };
}

export function encodeJson(value: Hello | Welcome | Refusal | { nonce: string }): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

function decodeTail(value: unknown): Tail {
  const fields = readObject(value, 'tail');
  if (!readBoolean(fields, 'known')) return { known: false };
  const ranges = readArray(fields, 'ranges', MAX_TAIL_RANGES).map((entry) => {
    const range = readObject(entry, 'tail range');
    const start = readInteger(range, 'start', { min: 0, max: MAX_VOLUME_BYTES });
    return { start, end: readInteger(range, 'end', { min: start + 1, max: MAX_VOLUME_BYTES }) };
  });
  return { known: true, ranges };
}
