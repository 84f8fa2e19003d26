import type { ByteRange } from '../../replica/common/ranges.ts';
import { OPCODE, type Opcode } from '../../replica/protocol/constants.ts';
import type { CopyMask, SendEffect } from './step.ts';

/** Numbers that a frame carries whatever it asks for. */
export interface FrameNumbers {
  nextSeq(): number;
  readonly stableSeq: number;
  /** That of the record, which is newer than whatever any copy has. */
  readonly generation: number;
}

/** A request without data. Written out, not spread: every read makes one. */
export function makeControl(
  numbers: FrameNumbers,
  opcode: Opcode,
  copies: CopyMask,
  { start, end }: ByteRange = NOTHING,
): SendEffect {
  return {
    kind: 'send',
    copies,
    opcode,
    flags: 0,
    seq: numbers.nextSeq(),
    stableSeq: numbers.stableSeq,
    offset: start,
    length: end - start,
    generation: 0,
    data: undefined,
    isEncoded: false,
  };
}

/** Stamps a range, by default with the generation of the record. */
export function makeMark(
  numbers: FrameNumbers,
  copies: CopyMask,
  range: ByteRange,
  { flags = 0, generation = numbers.generation } = {},
): SendEffect {
  return { ...makeControl(numbers, OPCODE.MARK, copies, range), flags, generation };
}

/** Has the copies keep this beside the blocks. */
export function makeStore(numbers: FrameNumbers, copies: CopyMask, attribute: Buffer): SendEffect {
  const control = makeControl(numbers, OPCODE.STORE, copies);
  return { ...control, length: attribute.length, data: attribute, isEncoded: true };
}

const NOTHING: ByteRange = { start: 0, end: 0 };
