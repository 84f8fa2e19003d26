import { assert } from '../common/assert.ts';
import { crc32c } from '../common/crc32c.ts';
import { KeelsonError, messageOf } from '../common/errors.ts';
import { BLOCK_BYTES, MAX_VOLUME_BYTES } from '../common/limits.ts';
import {
  parseJson,
  readBoolean,
  readInteger,
  readObject,
  readString,
  readStringOrNull,
  readStrings,
  readText,
} from '../common/validate.ts';
import { MAX_ATTRIBUTE_TEXT, MAX_LEASES } from '../protocol/hello.ts';

/**
 * What a replica knows of itself, in the file `metadata`: two slots of 64 KiB, written one
 * after the other, so that one of them is whole whatever moment the power goes. Little-endian.
 * Behind the JSON, a slot keeps what a longer record left there.
 *
 *   offset  size  field
 *        0     8  magic "KEELMETA"
 *        8     4  format version
 *       12     4  jsonBytes
 *       16     8  sequence    counts writes; record n lies in slot n mod 2
 *       24     4  zero        reserved
 *       28     4  crc         CRC-32C of bytes 0–27 and the JSON
 *       32     …  JSON (UTF-8)
 */
export interface Metadata {
  readonly volumeId: string;
  readonly replicaId: string;
  /** Random, made when the directory was formatted; never changes. */
  readonly dataId: string;
  readonly sizeBytes: number;
  /** Highest epoch seen (I4), and the controller instance that came with it. */
  readonly epoch: number;
  readonly instanceId: string | null;
  /** Counts hellos (I5). */
  readonly session: number;
  /**
   * The kernel's boot id at the last hello: when it is another one now and there are hot extents,
   * the machine lost power with writes in its page cache (I13).
   */
  readonly bootId: string | null;
  /** Writes that were answered may be gone from the hot extents, until a CHECKPOINT says otherwise. */
  readonly mayLackWrites: boolean;
  /** Controllers that may hold a lease on reads (I7): a restarted process grants no less than before. */
  readonly leaseHolders: readonly string[];
  /** Nothing was ever written. */
  readonly isPristine: boolean;
  /** What the volume keeps beside its blocks (SCSI reservations), in base64. */
  readonly attribute: string;
  /**
   * Number of the journal's last record that was carried out before the last hello; 0 when there was
   * none. A higher one counts only if it was written in this session.
   */
  readonly journalKept: number;
}

export const SLOT_BYTES = 64 * 1024;
export const METADATA_FILE_BYTES = 2 * SLOT_BYTES;
export const FORMAT_VERSION = 4;
/** Without a journal (ADR 0020), else the same. */
const VERSION_WITHOUT_JOURNAL = 3;

const MAGIC = Buffer.from('KEELMETA', 'latin1');
const OFFSET = { magic: 0, version: 8, jsonBytes: 12, sequence: 16, crc: 28, json: 32 } as const;
const MAX_JSON_BYTES = SLOT_BYTES - OFFSET.json;
const SECTOR_BYTES = 512;

export interface StoredRecord {
  readonly metadata: Metadata;
  readonly sequence: number;
}

/** Where in the file a record belongs. */
export function slotOffsetOf(sequence: number): number {
  return (sequence % 2) * SLOT_BYTES;
}

/** The part of a slot that a record takes, in whole sectors. */
export function encodeSlot({ metadata, sequence }: StoredRecord): Buffer {
  const json = Buffer.from(JSON.stringify(metadata), 'utf8');
  assert(json.length <= MAX_JSON_BYTES, 'metadata fits a slot', { jsonBytes: json.length });
  const sectorCount = Math.ceil((OFFSET.json + json.length) / SECTOR_BYTES);
  const slot = Buffer.alloc(sectorCount * SECTOR_BYTES);
  MAGIC.copy(slot, OFFSET.magic);
  slot.writeUInt32LE(FORMAT_VERSION, OFFSET.version);
  slot.writeUInt32LE(json.length, OFFSET.jsonBytes);
  slot.writeBigUInt64LE(BigInt(sequence), OFFSET.sequence);
  json.copy(slot, OFFSET.json);
  slot.writeUInt32LE(checksum(slot, json.length), OFFSET.crc);
  return slot;
}

/**
 * The newest whole record of a metadata file. Each record is written to both slots before anything
 * that it says is answered for, so a damaged slot loses nothing.
 *
 * Errors: CORRUPT when neither slot is whole; FAILED_PRECONDITION when another version wrote it.
 */
export function chooseRecord(file: Buffer): StoredRecord {
  const first = decodeSlot(file.subarray(0, SLOT_BYTES));
  const second = decodeSlot(file.subarray(SLOT_BYTES, METADATA_FILE_BYTES));
  if (first.ok && second.ok) {
    return first.record.sequence > second.record.sequence ? first.record : second.record;
  }
  if (first.ok) return first.record;
  if (second.ok) return second.record;
  throw new KeelsonError(
    'CORRUPT',
    `both metadata slots are damaged (slot 0: ${first.reason}; slot 1: ${second.reason})`,
  );
}

type DecodedSlot =
  | { readonly ok: true; readonly record: StoredRecord }
  | { readonly ok: false; readonly reason: string };

function decodeSlot(slot: Buffer): DecodedSlot {
  if (slot.length < SLOT_BYTES) return damaged(`${slot.length} bytes instead of ${SLOT_BYTES}`);
  if (MAGIC.compare(slot, OFFSET.magic, MAGIC.length) !== 0) return damaged('bad magic');
  const jsonBytes = slot.readUInt32LE(OFFSET.jsonBytes);
  if (jsonBytes > MAX_JSON_BYTES) return damaged(`record of ${jsonBytes} bytes`);
  if (slot.readUInt32LE(OFFSET.crc) !== checksum(slot, jsonBytes)) {
    return damaged('checksum does not hold');
  }
  const version = slot.readUInt32LE(OFFSET.version);
  if (version !== FORMAT_VERSION && version !== VERSION_WITHOUT_JOURNAL) {
    // Whole, but not ours: falling back to the other slot would undo what that program wrote.
    throw new KeelsonError(
      'FAILED_PRECONDITION',
      `metadata has format version ${version}, this program knows ${FORMAT_VERSION}; run the Keelson that wrote it`,
    );
  }
  try {
    const json = slot.toString('utf8', OFFSET.json, OFFSET.json + jsonBytes);
    const sequence = Number(slot.readBigUInt64LE(OFFSET.sequence));
    const hasJournal = version === FORMAT_VERSION;
    return { ok: true, record: { metadata: decodeMetadata(json, hasJournal), sequence } };
  } catch (error) {
    return damaged(messageOf(error));
  }
}

function damaged(reason: string): DecodedSlot {
  return { ok: false, reason };
}

function decodeMetadata(json: string, hasJournal: boolean): Metadata {
  const fields = readObject(parseJson(json, 'metadata'), 'metadata');
  const counter = { min: 0, max: Number.MAX_SAFE_INTEGER };
  return {
    volumeId: readString(fields, 'volumeId'),
    replicaId: readString(fields, 'replicaId'),
    dataId: readString(fields, 'dataId'),
    sizeBytes: readInteger(fields, 'sizeBytes', { min: BLOCK_BYTES, max: MAX_VOLUME_BYTES }),
    epoch: readInteger(fields, 'epoch', counter),
    instanceId: readStringOrNull(fields, 'instanceId'),
    session: readInteger(fields, 'session', counter),
    bootId: readStringOrNull(fields, 'bootId'),
    mayLackWrites: readBoolean(fields, 'mayLackWrites'),
    leaseHolders: readStrings(fields, 'leaseHolders', MAX_LEASES),
    isPristine: readBoolean(fields, 'isPristine'),
    attribute: readText(fields, 'attribute', MAX_ATTRIBUTE_TEXT),
    journalKept: hasJournal ? readInteger(fields, 'journalKept', counter) : 0,
  };
}

function checksum(slot: Buffer, jsonBytes: number): number {
  const header = crc32c(slot.subarray(0, OFFSET.crc));
  return crc32c(slot.subarray(OFFSET.json, OFFSET.json + jsonBytes), header);
}
