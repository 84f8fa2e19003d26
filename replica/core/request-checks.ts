import {
  BLOCK_BYTES,
  MAX_ATOMIC_BYTES,
  MAX_ATTRIBUTE_BYTES,
  MAX_IO_BYTES,
  MAX_MAP_BYTES,
  MAX_STAMPS_BYTES,
  MAX_TRIM_BYTES,
  MAX_VOLUME_BYTES,
  REGION_BYTES,
} from '../common/limits.ts';
import { FLAG, OPCODE } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { MAX_GENERATION } from '../protocol/stamps.ts';
import { isRequest } from './answers.ts';

/**
 * Whether what a request asks for makes sense for a volume of `sizeBytes` (I11). Anything else is
 * answered INVALID and leaves no trace.
 */
export function isSensible(frame: Frame, sizeBytes: number): boolean {
  switch (frame.opcode) {
    case OPCODE.READ:
      return isWithin(frame, sizeBytes, MAX_IO_BYTES);
    case OPCODE.WRITE: {
      const isAtomic = (frame.flags & FLAG.ATOMIC) !== 0;
      const limit = isAtomic ? MAX_ATOMIC_BYTES : MAX_IO_BYTES;
      if (isAtomic && (frame.flags & FLAG.STAGED) !== 0) return false;
      return isWithin(frame, sizeBytes, limit) && isStampable(frame);
    }
    case OPCODE.TRIM:
    case OPCODE.MARK:
      return isWithin(frame, sizeBytes, MAX_TRIM_BYTES) && isStampable(frame);
    case OPCODE.STAMPS:
      return isWithin(frame, sizeBytes, MAX_STAMPS_BYTES) && isWholeRegions(frame);
    case OPCODE.MAP:
      return isWithin(frame, sizeBytes, MAX_MAP_BYTES) && frame.offset % BLOCK_BYTES === 0;
    case OPCODE.STORE:
      return frame.payload.length <= MAX_ATTRIBUTE_BYTES;
    case OPCODE.RESIZE:
      return frame.offset % BLOCK_BYTES === 0 && frame.offset <= MAX_VOLUME_BYTES;
    case OPCODE.HASHES:
      return isWithin(frame, sizeBytes, MAX_IO_BYTES) && isWholeRegions(frame);
    default:
      return true; // asks for no range
  }
}

/** Why a request breaks the protocol, so that its connection is closed, or undefined. */
export function whyViolates(frame: Frame): string | undefined {
  if (!isRequest(frame.opcode)) return `opcode ${frame.opcode} is no request`;
  if (frame.opcode !== OPCODE.WRITE) return undefined;
  const isRaw = (frame.flags & FLAG.LZ4) === 0;
  // LZ4 that is not smaller is not sent; what is written down or staged is bounded by that too.
  const { length } = frame.payload;
  if (isRaw ? length !== frame.length : length > frame.length) {
    return `write of ${frame.length} bytes with ${frame.payload.length} in the payload`;
  }
  return undefined;
}

/** At least one byte, at most `limit`, within the volume. */
function isWithin({ offset, length }: Frame, sizeBytes: number, limit: number): boolean {
  return length > 0 && length <= limit && offset + length <= sizeBytes;
}

/** Has a generation to stamp with; whole regions where the stamp says that they are a copy's. */
function isStampable(frame: Frame): boolean {
  if (frame.generation === 0 || frame.generation > MAX_GENERATION) return false;
  return (frame.flags & FLAG.ASSIGN) === 0 || isWholeRegions(frame);
}

/** The last region of a volume may be short, and the volume shorter than this copy, which grew. */
function isWholeRegions({ offset, length }: Frame): boolean {
  return offset % REGION_BYTES === 0 && length % BLOCK_BYTES === 0;
}
