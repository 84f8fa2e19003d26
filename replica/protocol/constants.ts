import { MAX_IO_BYTES } from '../common/limits.ts';

/** "KEEL" in ASCII, first in every frame. */
export const FRAME_MAGIC = 0x4b45454c;
export const PROTOCOL_VERSION = 4;
export const HEADER_BYTES = 48;

/** A payload is never longer than one I/O: lz4 output that is not smaller is not sent. */
export const MAX_PAYLOAD_BYTES = MAX_IO_BYTES;

/** The hello is JSON and small; a longer one is refused before it is buffered. */
export const MAX_HELLO_BYTES = 64 * 1024;
/** Only a replica that was called sends it: its tail and the volume's attribute. */
export const MAX_WELCOME_BYTES = 128 * 1024;

/** What a frame asks or answers. Numbers are on the wire: add, never renumber. */
export const OPCODE = {
  CHALLENGE: 1,
  HELLO: 2,
  WELCOME: 3,
  REFUSED: 4,
  READ: 16,
  WRITE: 17,
  FLUSH: 18,
  TRIM: 19,
  STATUS: 20,
  HEARTBEAT: 21,
  GOODBYE: 22,
  /** Asks for the stamp of every region in a range; the reply's payload is one u32 LE for each. */
  STAMPS: 23,
  /** Asks for stamp and SHA-256 of every region in a range; 4 + 32 bytes for each. */
  HASHES: 24,
  /** Stamps regions without changing their bytes. */
  MARK: 25,
  /** A flush that makes the region map durable too: the copy has all that it was sent (I14, I13). */
  CHECKPOINT: 26,
  /** Which blocks of a range may hold data; the reply's payload is one byte for each, 1 or 0. */
  MAP: 27,
  /** The payload, never compressed, becomes the volume's attribute; durable when it is answered. */
  STORE: 28,
  /** The copy grows to `offset` bytes, durably; one that is as large already stays as it is. */
  RESIZE: 29,
  /** Carries out all that was STAGED from the seq in `offset` on, as a whole or not at all. */
  COMMIT: 30,
  READ_REPLY: 48,
  WRITE_REPLY: 49,
  FLUSH_REPLY: 50,
  TRIM_REPLY: 51,
  STATUS_REPLY: 52,
  HEARTBEAT_REPLY: 53,
  GOODBYE_REPLY: 54,
  STAMPS_REPLY: 55,
  HASHES_REPLY: 56,
  MARK_REPLY: 57,
  CHECKPOINT_REPLY: 58,
  MAP_REPLY: 59,
  STORE_REPLY: 60,
  RESIZE_REPLY: 61,
  COMMIT_REPLY: 62,
} as const;
export type Opcode = (typeof OPCODE)[keyof typeof OPCODE];

/** Bits of the flags field. Numbers are on the wire. */
export const FLAG = {
  /** The payload is one LZ4 block of `length` bytes once decompressed. */
  LZ4: 1,
  /** Force unit access: answer only once the bytes are on stable storage (I8). */
  FUA: 2,
  /** READ_REPLY without payload: `length` bytes, all zero. */
  ZERO: 4,
  /**
   * WRITE, TRIM, MARK of whole regions as another copy has them: each stamp becomes `generation`,
   * whatever it was. Without it a stamp only ever rises.
   */
  ASSIGN: 8,
  /** WRITE of at most MAX_ATOMIC_BYTES: the copy has all of it or nothing, whatever ends in the middle. */
  ATOMIC: 16,
  /** WRITE, TRIM: kept in memory, and answered, until a COMMIT carries it out. */
  STAGED: 32,
} as const;

/** Outcome of a request. Numbers are on the wire. */
export const STATUS = {
  OK: 0,
  /** The range or length makes no sense for this volume. */
  INVALID: 1,
  /** The disk failed; the replica stops after saying so. */
  IO_FAILED: 2,
  NO_SPACE: 3,
} as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];
